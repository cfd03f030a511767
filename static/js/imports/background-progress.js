// What goes on in the background: a slim bar in the header while the screen shows something else, and a word when it
// ends.

import { getJson } from '../core/api.js';
import { importFinished } from '../core/app-events.js';
import { clearBanner, showBanner } from '../core/banner.js';
import { reconnected } from '../core/connection.js';
import { fill, h, setText } from '../core/dom.js';
import { toast } from '../core/toast.js';
import { progressBar } from '../core/widgets.js';
import { watchJob } from './job-watcher.js';
import { isFinal, isRunning, isUndo, nameOf } from './job.js';
import { importAddress } from './steps.js';
import { currentUploads, uploadChanged } from './upload-queue.js';

const LOOK_FOR = 20;

const running = new Map();
let waiting = [];
const completed = { count: 0, toast: null };
let view = null;

/** @param {HTMLElement} root place in the header */
export function installBackgroundProgress(root) {
  const bar = progressBar({ label: 'Running in the background', size: 'slim', testid: 'header-progress' });
  const text = h('span', { class: 'activity-text' });
  const link = h('a', { class: 'activity-link', href: '#/import' }, text, bar.element);
  view = { root, bar, text, link };
  fill(root, link);
  uploadChanged.subscribe((upload) => {
    if (upload.state === 'done') {
      follow({ task_id: upload.taskId, filename: upload.file.name, status: 'pending', progress: 0 });
    }
    if (upload.state === 'failed' && !onImportScreens()) showFailedUpload(upload);
    paint();
  });
  window.addEventListener('hashchange', onMove);
  document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && lookForRunning());
  reconnected.subscribe(lookForRunning);
  lookForRunning();
}

// Who leaves the import screens may leave one behind that waits.
function onMove() {
  paint();
  if (!onImportScreens() && wasOnImportScreens) lookForRunning();
  wasOnImportScreens = onImportScreens();
}
let wasOnImportScreens = true;

async function lookForRunning() {
  try {
    const { imports } = await getJson('/api/imports', { query: { page: 1, per_page: LOOK_FOR } });
    imports.filter(isRunning).forEach(follow);
    waiting = imports.filter((job) => job.status === 'awaiting_confirmation');
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
      if (isRunning(latest)) return paint();
      // It may wait for hours; a stream for it would be one too many.
      if (!isFinal(latest)) waiting = [...waiting.filter((known) => known.task_id !== latest.task_id), latest];
      end();
      return isFinal(latest) ? tell(latest) : undefined;
    },
    onMissing: end,
  });
}

function tell(job) {
  importFinished.emit(job);
  const address = importAddress(job.task_id, 'result');
  if (window.location.hash.startsWith(importAddress(job.task_id))) return;
  if (job.status === 'completed') toastCompleted(address, isUndo(job) ? 'Undo completed' : 'Import completed');
  if (job.status === 'failed') {
    showBanner({
      key: `failed-${job.task_id}`,
      title: isUndo(job) ? `The undo of “${job.filename}” failed.` : `The import of “${job.filename}” failed.`,
      detail: job.error_message,
      action: { label: 'View', run: () => openFailed(job.task_id) },
    });
  }
}

// The import's own screen says the same at length.
function openFailed(taskId) {
  clearBanner(`failed-${taskId}`);
  window.location.hash = importAddress(taskId);
}

// Several that end together share one toast.
function toastCompleted(address, words) {
  completed.count = completed.toast?.isShown() ? completed.count + 1 : 1;
  completed.toast?.remove();
  completed.toast =
    completed.count === 1
      ? toast(words, { label: 'View', href: address })
      : toast(`${completed.count} imports completed`, { label: 'View', href: '#/import' });
}

function showFailedUpload(upload) {
  showBanner({
    key: `upload-${upload.id}`,
    title: `“${upload.file.name}” was not uploaded. ${upload.error}`,
    detail: upload.hint,
    action: {
      label: 'View',
      run: () => {
        window.location.hash = '#/import';
      },
    },
  });
}

function paint() {
  const jobs = [...running.values()].map((entry) => entry.job);
  const uploads = currentUploads().filter((upload) => upload.state !== 'failed');
  view.root.hidden = onImportScreens() || jobs.length + uploads.length + waiting.length === 0;
  if (view.root.hidden) return;
  view.bar.element.hidden = jobs.length + uploads.length === 0;
  if (jobs.length) showJobs(jobs);
  else if (uploads.length) showUploads(uploads);
  else showWaiting();
}

function showWaiting() {
  const [job] = waiting;
  const isOne = waiting.length === 1;
  setText(
    view.text,
    isOne ? `${job.filename} waits to be confirmed` : `${waiting.length} imports wait to be confirmed`,
  );
  view.link.setAttribute('href', isOne ? importAddress(job.task_id, 'check') : '#/import?status=awaiting_confirmation');
}

function showJobs(jobs) {
  const percent = Math.floor(jobs.reduce((sum, job) => sum + (job.progress ?? 0), 0) / jobs.length);
  const [job] = jobs;
  setText(
    view.text,
    jobs.length === 1
      ? `${isUndo(job) ? nameOf(job) : `Importing ${job.filename}`} · ${percent}%`
      : `${jobs.length} imports · ${percent}%`,
  );
  view.link.setAttribute('href', jobs.length === 1 ? importAddress(job.task_id) : '#/import');
  view.bar.set(percent);
}

function showUploads(uploads) {
  const total = uploads.reduce((sum, upload) => sum + upload.total, 0);
  const percent = total ? Math.floor((uploads.reduce((sum, upload) => sum + upload.loaded, 0) * 100) / total) : 0;
  setText(
    view.text,
    uploads.length === 1
      ? `Uploading ${uploads[0].file.name} · ${percent}%`
      : `${uploads.length} uploads · ${percent}%`,
  );
  view.link.setAttribute('href', '#/import');
  view.bar.set(percent);
}

const onImportScreens = () => /^#\/imports?(\/|\?|$)/.test(window.location.hash);
