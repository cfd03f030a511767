// The bulk changes and their undos that are running, above the list of products: progress, time left, cancel.

import { progressAnnouncer } from '../core/announcer.js';
import { hasStatus, messageOf, nextStep, sendJson } from '../core/api.js';
import { clearBanner, showBanner } from '../core/banner.js';
import { h, setText } from '../core/dom.js';
import { formatShare } from '../core/format.js';
import { t } from '../core/i18n.js';
import { progressBar } from '../core/widgets.js';
import { createActionButton } from './action-buttons.js';
import { describeBulkAction, describeBulkProgress, otherAuthor, progressLabel } from './bulk-texts.js';
import { importApiPath } from './job-actions.js';
import { reportJob } from './job-watcher.js';
import { isBulk } from './job.js';
import { createProgressCounter } from './progress-counter.js';
import { findJobs, runningJobs, runningJobsChanged } from './running-jobs.js';
import { importAddress } from './steps.js';

/** @import { ImportJob } from '../core/types.d.ts' */
/** @import { BulkJob } from './job.js' */

/**
 * Create the panel. It is hidden while no bulk change is running.
 * @param {{onFocusLost: () => void}} options `onFocusLost` is called when the row that had the focus has disappeared
 * @returns {{element: HTMLElement, stop: () => void}}
 */
export function createBulkPanel({ onFocusLost }) {
  const list = h('ul', { class: 'bulk-jobs' });
  const element = h(
    'section',
    { class: 'card bulk-panel', 'aria-label': t('imports.bulk.panel'), hidden: true, data: { testid: 'bulk-panel' } },
    list,
  );
  /** @type {Map<string, ReturnType<typeof createRow>>} */
  const rows = new Map();

  const show = () => {
    const jobs = runningJobs().filter(isBulkJob);
    const hadFocus = element.contains(document.activeElement);
    const ids = new Set(jobs.map((job) => job.task_id));
    for (const [id, row] of rows) {
      if (ids.has(id)) continue;
      rows.delete(id);
      row.element.remove();
    }
    for (const job of jobs) {
      const row = rows.get(job.task_id) ?? createRow(job);
      rows.set(job.task_id, row);
      row.show(job);
      if (!row.element.isConnected) list.append(row.element);
    }
    element.hidden = !jobs.length;
    if (hadFocus && !element.contains(document.activeElement)) onFocusLost();
  };
  const stopJobs = runningJobsChanged.subscribe(show);
  show();
  findJobs();
  return { element, stop: stopJobs };
}

/**
 * Jobs that were just uploaded have few fields. They are imports.
 * @param {object} job
 * @returns {job is BulkJob}
 */
const isBulkJob = (job) => isBulk(job);

/** @param {BulkJob} job */
function createRow(job) {
  const bar = progressBar({ label: progressLabel(job), size: 'slim', testid: 'bulk-progress' });
  const title = h('a', { class: 'bulk-title', href: importAddress(job.task_id) });
  const other = otherAuthor(job);
  const author = h('span', { class: 'muted', text: other && t('imports.bulk.started_by', { name: other }) });
  const progress = h('span', { class: 'muted tabular', data: { testid: 'bulk-progress-text' } });
  const percent = h('span', { class: 'bulk-percent tabular' });
  const cancel = createActionButton(
    t('common.cancel'),
    'cancel-bulk',
    (button) => cancelJob(job, button),
    'button-small',
  );
  const element = h(
    'li',
    { class: 'bulk-job', data: { testid: 'bulk-job' } },
    h('p', { class: 'bulk-text' }, title, author, progress),
    percent,
    cancel,
    bar.element,
  );
  const announceProgress = progressAnnouncer();
  const counter = createProgressCounter(job);
  /** @param {BulkJob} latest */
  const show = (latest) => {
    counter.accept(latest);
    const text = describeBulkProgress(latest, counter.secondsLeft());
    setText(title, describeBulkAction(latest));
    setText(progress, text);
    const share = formatShare(latest.step_progress / 100);
    setText(percent, share);
    bar.set(latest.step_progress, `${share}, ${text}`);
    const what = describeBulkAction(latest);
    announceProgress(latest.step_progress, t('imports.bulk.announce', { what, percent: share }));
  };
  return { element, show };
}

/**
 * @param {BulkJob} job
 * @param {HTMLButtonElement} button
 */
async function cancelJob(job, button) {
  const key = `cancel-${job.task_id}`;
  clearBanner(key);
  button.setAttribute('aria-disabled', 'true');
  setText(button, t('imports.job.cancelling'));
  try {
    /** @type {ImportJob} */
    const latest = await sendJson('POST', importApiPath(job.task_id, 'cancel'));
    reportJob(latest);
  } catch (error) {
    // It has ended in the meantime.
    if (hasStatus(error, 409)) return findJobs();
    showBanner({ key, title: t('imports.bulk.not_cancelled', { reason: messageOf(error) }), detail: nextStep(error) });
    button.removeAttribute('aria-disabled');
    setText(button, t('common.cancel'));
  }
  return undefined;
}
