// Jobs and uploads in the background: a slim bar in the header while another screen is shown, and a notice when a job
// ends.

import { importFinished, jobStarted } from '../core/app-events.js';
import { clearBanner, showBanner } from '../core/banner.js';
import { followChanges } from '../core/change-stream.js';
import { reconnected } from '../core/connection.js';
import { fill, h, setText } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { go } from '../core/router.js';
import { may } from '../core/session.js';
import { toast } from '../core/toast.js';
import { progressBar } from '../core/widgets.js';
import { summarize } from './background-summary.js';
import { installBulkNotices, showBulkEnd } from './bulk-notices.js';
import { hasDrafts } from './fix-drafts.js';
import { failureOf, isAllRejected, isBulk, isUndo, titleOf } from './job.js';
import { findJobs, followJob, jobEnded, runningJobs, runningJobsChanged, waitingImports } from './running-jobs.js';
import { importAddress } from './steps.js';
import { currentUploads, isUploading, restoreUploads, uploadChanged } from './upload-queue.js';

/** @import { BannerOptions } from '../core/banner.js' */
/** @import { Toast } from '../core/toast.js' */
/** @import { ImportJob } from '../core/types.d.ts' */
/** @import { Upload } from './upload-queue.js' */

/** @type {{count: number, toast: Toast | null}} */
const completed = { count: 0, toast: null };
/** The imports whose end a banner has reported. @type {Set<string>} */
const ended = new Set();
let wasOnImportScreen = true;
let render = () => {};

/**
 * Start to watch the jobs and uploads.
 * @param {HTMLElement} root place in the header
 */
export function installBackgroundProgress(root) {
  const bar = progressBar({ label: t('imports.progress.background.label'), size: 'slim', testid: 'header-progress' });
  const text = h('span', { class: 'activity-text' });
  const link = h('a', { class: 'activity-link', href: '#/import' }, text, bar.element);
  fill(root, link);
  render = () => {
    const summary = isOnImportScreen() ? null : summarize(shownJobs(), currentUploads(), waitingImports());
    root.hidden = !summary;
    if (!summary) return;
    setText(text, summary.text);
    link.setAttribute('href', summary.href);
    bar.element.hidden = summary.percent === null;
    if (summary.percent !== null) bar.set(summary.percent);
  };
  render();
  uploadChanged.subscribe(onUpload);
  runningJobsChanged.subscribe(render);
  jobEnded.subscribe(reportEnd);
  jobStarted.subscribe(followJob);
  installBulkNotices();
  window.addEventListener('hashchange', onNavigation);
  // The browser asks for a confirmation before it leaves the page during an upload, or with changes that are not sent.
  window.addEventListener('beforeunload', (event) => {
    if (isUploading() || hasDrafts()) event.preventDefault();
  });
  reconnected.subscribe(findJobs);
  followChanges('jobs', findJobs);
  findJobs();
  if (may('imports:write')) restoreUploads();
}

/** @param {Upload} upload */
function onUpload(upload) {
  if (upload.state === 'done' && upload.taskId) {
    followJob({
      task_id: upload.taskId,
      filename: upload.name,
      kind: 'import',
      phase: 'queued',
      step_progress: 0,
    });
  }
  if (upload.state !== 'failed') clearBanner(bannerOf(upload));
  else if (!isOnImportScreen()) showFailedUpload(upload);
  render();
}

function onNavigation() {
  render();
  // The import screen shows failed uploads itself, and other imports have nothing to do with them.
  if (isOnImportScreen()) currentUploads().forEach((upload) => clearBanner(bannerOf(upload)));
  for (const id of ended) {
    if (window.location.hash.startsWith(importAddress(id))) clearBanner(endBannerOf(id));
  }
  // An import may be waiting for a confirmation when the import screens are left.
  if (!isOnImportScreen() && wasOnImportScreen) findJobs();
  wasOnImportScreen = isOnImportScreen();
}

/** @param {ImportJob} job a job that has ended */
function reportEnd(job) {
  importFinished.emit(job);
  // The screen of the import shows the same in more detail.
  if (window.location.hash.startsWith(importAddress(job.task_id))) return undefined;
  if (isBulk(job)) return showBulkEnd(job);
  if (isAllRejected(job)) showAllRejected(job);
  else if (job.status === 'completed') showCompleted(job);
  if (job.status === 'failed') showFailed(job);
  return undefined;
}

/**
 * Show a toast. Imports that complete while it is shown share it.
 * @param {ImportJob} job
 */
function showCompleted(job) {
  completed.count = completed.toast?.isShown() ? completed.count + 1 : 1;
  completed.toast?.remove();
  completed.toast =
    completed.count === 1
      ? toast(
          isUndo(job)
            ? t('imports.progress.background.undo_completed')
            : t('imports.progress.background.import_completed'),
          {
            label: t('imports.progress.background.view'),
            href: importAddress(job.task_id, 'result'),
          },
        )
      : toast(t('imports.progress.background.imports_completed', { count: completed.count }), {
          label: t('imports.progress.background.view'),
          href: '#/import',
        });
}

/** @param {ImportJob} job */
const showFailed = (job) =>
  showProblem(job, {
    title: isUndo(job)
      ? t('imports.progress.background.undo_failed', { name: titleOf(job) })
      : t('imports.progress.background.import_failed', { name: job.filename }),
    detail: failureOf(job) ?? undefined,
  });

/** @param {ImportJob} job a completed import */
const showAllRejected = (job) =>
  showProblem(job, {
    tone: 'warning',
    title: t('imports.progress.background.all_rejected', { name: job.filename }),
    detail: t('imports.progress.background.all_rejected_hint'),
  });

/**
 * @param {ImportJob} job
 * @param {BannerOptions} banner
 */
function showProblem(job, banner) {
  const key = endBannerOf(job.task_id);
  ended.add(job.task_id);
  showBanner({
    key,
    ...banner,
    action: { label: t('imports.progress.background.view'), run: () => go(importAddress(job.task_id)) },
  });
}

/** @param {Upload} upload */
function showFailedUpload(upload) {
  showBanner({
    key: bannerOf(upload),
    title: t('imports.progress.background.not_uploaded', { name: upload.name, reason: upload.error ?? '' }),
    detail: upload.hint,
    action: { label: t('imports.progress.background.view'), run: () => go('#/import') },
  });
}

/** The products screen shows bulk changes itself. */
const shownJobs = () => runningJobs().filter((job) => !(isBulk(job) && isOnProductsScreen()));

const isOnProductsScreen = () => /^#\/products(\/|\?|$)/.test(window.location.hash);

/** @param {Upload} upload */
const bannerOf = (upload) => `upload-${upload.id}`;

/** @param {string} id of an import */
const endBannerOf = (id) => `ended-${id}`;

const isOnImportScreen = () => /^#\/imports?(\/|\?|$)/.test(window.location.hash);
