// What goes on in the background: a slim bar in the header while the screen shows something else, and a word when it ends.

import { getJson } from './api.js';
import { clearBanner, showBanner } from './banner.js';
import { onReconnect } from './connection.js';
import { fill, h, setText } from './dom.js';
import { isFinal, isRunning } from './job.js';
import { watchJob } from './progress.js';
import { toast } from './toast.js';
import { currentUploads, onUploadChange } from './upload.js';
import { progressBar } from './widgets.js';

const LOOK_FOR = 20;

const running = new Map();
const completed = { count: 0, toast: null };
let view = null;

/** @param {HTMLElement} root place in the header */
export function installActivity(root) {
  const bar = progressBar({ label: 'Running in the background', size: 'slim', testid: 'header-progress' });
  const text = h('span', { class: 'activity-text' });
  const link = h('a', { class: 'activity-link', href: '#/import' }, text, bar.element);
  view = { root, bar, text, link };
  fill(root, link);
  onUploadChange((upload) => {
    if (upload.state === 'done') follow({ task_id: upload.taskId, filename: upload.file.name, status: 'pending', progress: 0 });
    if (upload.state === 'failed' && !onImportScreens()) showFailedUpload(upload);
    paint();
  });
  window.addEventListener('hashchange', paint);
  document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && lookForRunning());
  onReconnect(lookForRunning);
  lookForRunning();
}

async function lookForRunning() {
  try {
    const { imports } = await getJson('/api/imports', { query: { page: 1, per_page: LOOK_FOR } });
    imports.filter(isRunning).forEach(follow);
  } catch {
    // The screen itself reports what is wrong; this is only an extra.
  }
  paint();
}

function follow(job) {
  if (running.has(job.task_id)) return;
  const entry = { job, stop: () => {} };
  running.set(job.task_id, entry);
  const end = () => {
    running.delete(job.task_id);
    entry.stop();
    paint();
  };
  entry.stop = watchJob(job.task_id, {
    onJob(latest) {
      entry.job = latest;
      if (!isFinal(latest)) return paint();
      end();
      return tell(latest);
    },
    onMissing: end,
  });
}

function tell(job) {
  window.dispatchEvent(new CustomEvent('import-finished', { detail: job }));
  const address = addressOf(job.task_id);
  if (window.location.hash === address) return;
  if (job.status === 'completed') toastCompleted(address);
  if (job.status === 'failed') {
    showBanner({
      key: `failed-${job.task_id}`, title: `The import of “${job.filename}” failed.`, detail: job.error_message,
      action: { label: 'View', run: () => openFailed(job.task_id) },
    });
  }
}

// The import's own screen says the same at length.
function openFailed(taskId) {
  clearBanner(`failed-${taskId}`);
  window.location.hash = addressOf(taskId);
}

// Several that end together share one toast.
function toastCompleted(address) {
  completed.count = completed.toast?.isShown() ? completed.count + 1 : 1;
  completed.toast?.remove();
  completed.toast = completed.count === 1
    ? toast('Import completed', { label: 'View', href: address })
    : toast(`${completed.count} imports completed`, { label: 'View', href: '#/import' });
}

function showFailedUpload(upload) {
  showBanner({
    key: `upload-${upload.id}`, title: `“${upload.file.name}” was not uploaded. ${upload.error}`, detail: upload.hint,
    action: { label: 'View', run: () => { window.location.hash = '#/import'; } },
  });
}

function paint() {
  const jobs = [...running.values()].map((entry) => entry.job);
  const uploads = currentUploads().filter((upload) => upload.state !== 'failed');
  view.root.hidden = onImportScreens() || jobs.length + uploads.length === 0;
  if (view.root.hidden) return;
  if (jobs.length) showJobs(jobs);
  else showUploads(uploads);
}

function showJobs(jobs) {
  const percent = Math.floor(jobs.reduce((sum, job) => sum + (job.progress ?? 0), 0) / jobs.length);
  const [job] = jobs;
  setText(view.text, jobs.length === 1 ? `Importing ${job.filename} · ${percent}%` : `${jobs.length} imports · ${percent}%`);
  view.link.setAttribute('href', jobs.length === 1 ? addressOf(job.task_id) : '#/import');
  view.bar.set(percent);
}

function showUploads(uploads) {
  const total = uploads.reduce((sum, upload) => sum + upload.total, 0);
  const percent = total ? Math.floor((uploads.reduce((sum, upload) => sum + upload.loaded, 0) * 100) / total) : 0;
  setText(view.text, uploads.length === 1 ? `Uploading ${uploads[0].file.name} · ${percent}%` : `${uploads.length} uploads · ${percent}%`);
  view.link.setAttribute('href', '#/import');
  view.bar.set(percent);
}

const addressOf = (taskId) => `#/imports/${encodeURIComponent(taskId)}`;

const onImportScreens = () => /^#\/imports?(\/|\?|$)/.test(window.location.hash);
