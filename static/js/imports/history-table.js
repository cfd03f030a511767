// The table of the import history. Each import keeps its row, so live changes never replace elements of the table.

import { messageOf, nextStep } from '../core/api.js';
import { jobStarted } from '../core/app-events.js';
import { clearBanner, showBanner } from '../core/banner.js';
import { arrange, closestTo, h, setText } from '../core/dom.js';
import { formatBytes, formatDuration, formatNumber, formatShare } from '../core/format.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { showMessage } from '../core/message-text.js';
import { go } from '../core/router.js';
import { may } from '../core/session.js';
import { progressBar, timeElement } from '../core/widgets.js';
import { deleteImport } from './delete-import.js';
import { describePlan } from './check-texts.js';
import { bulkCounts, describeCounts } from './counts.js';
import { describeAllRejected, describeOrigin } from './descriptions.js';
import { watchJob } from './job-watcher.js';
import {
  elapsedSeconds,
  failureOf,
  isAllRejected,
  isBulk,
  isFinal,
  isImport,
  isRunning,
  isUndo,
  nameOf,
} from './job.js';
import { createStatusPill } from './status-pill.js';
import { importAddress } from './steps.js';
import { askToUndo } from './undo-dialog.js';
import { canUndo, describeNoUndo, describeUndoState, labelWithDeadline } from './undo-texts.js';

/** @import { ImportJob, ListedImport } from '../core/types.d.ts' */

/** @typedef {'total_records' | 'created_count' | 'updated_count' | 'unchanged_count' | 'rejected_count'} NumberField */

/** @typedef {'create' | 'update' | 'unchanged' | 'rejected'} PlannedField */

/**
 * The counts of what an import would do, by the column that later shows what it did.
 * @type {Partial<Record<NumberField, [field: PlannedField, label: string]>>}
 */
const PLANNED_COUNTS = {
  created_count: ['create', t('imports.history.table.to_create')],
  updated_count: ['update', t('imports.history.table.to_update')],
  unchanged_count: ['unchanged', t('imports.history.table.to_stay')],
  rejected_count: ['rejected', t('imports.history.table.rejected')],
};

/** @type {[field: NumberField, label: string, className: string][]} */
const NUMBER_COLUMNS = [
  ['total_records', t('imports.history.table.rows'), ''],
  ['created_count', t('imports.history.table.created'), 'wide'],
  ['updated_count', t('imports.history.table.updated'), 'wide'],
  ['unchanged_count', t('imports.history.table.unchanged'), 'widest'],
  ['rejected_count', t('imports.history.table.rejected'), 'medium'],
];

/**
 * The columns that mean the same for jobs that are not imports. The others are empty, and the words below the name have
 * the counts.
 * @type {Record<'undo' | 'bulk', Set<NumberField>>}
 */
const COLUMNS_OF_KIND = {
  undo: new Set(['total_records', 'rejected_count']),
  bulk: new Set(['total_records', 'updated_count', 'unchanged_count']),
};

/** The columns that would say of an undone job what it no longer has done. */
const UNDONE_COLUMNS = new Set(['created_count', 'updated_count']);

/** The speed of a shorter import would be meaningless. */
const MIN_SPEED_SECONDS = 0.5;

/**
 * @typedef {object} Listeners
 * @property {() => void} onDeleted a job of the table was deleted
 * @property {() => void} onUndone the undo of a job was started, or the job cannot be undone any more
 * @property {(job: ListedImport) => void} onStatus the status of a watched job has changed
 */

/**
 * Create the table.
 * @param {Listeners} listeners
 * @returns {{element: HTMLElement, show: (jobs: ListedImport[]) => void, stop: () => void}}
 */
export function createHistoryTable(listeners) {
  const body = h('tbody');
  const heads = [
    h('th', { scope: 'col', text: t('imports.history.table.name') }),
    h('th', { scope: 'col', text: t('imports.history.table.status') }),
    NUMBER_COLUMNS.map(([, label, className]) => h('th', { scope: 'col', class: `number ${className}`, text: label })),
    h('th', { scope: 'col', class: 'medium', text: t('imports.history.table.started') }),
    h('th', { scope: 'col', class: 'number widest', text: t('imports.history.table.duration') }),
    h('th', { scope: 'col', class: 'wide' }, h('span', { class: 'visually-hidden', text: t('common.actions') })),
  ];
  const element = h(
    'div',
    { class: 'table-scroll', tabindex: '0', role: 'region', 'aria-label': t('imports.history.table.label') },
    h(
      'table',
      { class: 'table table-imports', data: { testid: 'imports-table' } },
      h('thead', {}, h('tr', {}, heads)),
      body,
    ),
  );
  /** @type {Map<string, ReturnType<typeof importRow>>} */
  const rows = new Map();

  /** @param {ListedImport} job */
  const rowOf = (job) => {
    const row = rows.get(job.task_id) ?? importRow(job, listeners);
    rows.set(job.task_id, row);
    return row;
  };
  /** @param {ListedImport[]} jobs */
  const show = (jobs) => {
    const ids = new Set(jobs.map((job) => job.task_id));
    for (const [id, row] of rows) {
      if (ids.has(id)) continue;
      row.stop();
      rows.delete(id);
    }
    for (const job of jobs) rowOf(job).follow(job);
    arrange(
      body,
      jobs.map((job) => rowOf(job).element),
    );
  };
  return { element, show, stop: () => rows.forEach((row) => row.stop()) };
}

/**
 * @param {ListedImport} job
 * @param {Listeners} listeners
 */
function importRow(job, { onDeleted, onUndone, onStatus }) {
  let current = job;
  const deleteButton = h(
    'button',
    {
      class: 'icon-button',
      type: 'button',
      'aria-label': t('imports.history.table.delete', { name: nameOf(job) }),
      title: t('common.delete'),
      data: { testid: 'delete-import' },
      on: { click: async () => (await deleteImport(current)) && onDeleted() },
    },
    icon('trash'),
  );
  const undoButton = h(
    'button',
    {
      class: 'icon-button',
      type: 'button',
      data: { testid: 'undo-row' },
      on: { click: () => undoJob(current, onUndone) },
    },
    icon('undo'),
  );
  const address = importAddress(job.task_id);
  const pill = createStatusPill();
  const bar = progressBar({
    label: isImport(job) ? t('imports.history.table.import_of', { name: job.filename }) : nameOf(job),
    size: 'slim',
  });
  const percent = h('span', { class: 'tabular muted' });
  const progress = h('div', { class: 'row-progress' }, bar.element, percent);
  const numbers = NUMBER_COLUMNS.map(([field, , className]) => ({
    field,
    cell: h('td', { class: `number ${className}` }),
  }));
  const counts = h('span', { class: 'cell-below cell-counts muted', data: { testid: 'job-counts' } });
  const subtitle = h('span', { class: 'cell-below muted medium-line' });
  const reason = h('span', { class: 'cell-reason', data: { testid: 'failure-reason' } });
  const duration = h('span', {});
  const speed = h('span', { class: 'cell-below muted' });
  const element = h(
    'tr',
    { class: 'row-link', on: { click: (event) => closestTo(event, 'a, button') || go(address) } },
    h(
      'td',
      { class: 'cell-file' },
      h('a', {
        class: isImport(job) ? 'file-link' : 'file-link is-title',
        href: address,
        text: nameOf(job),
        title: nameOf(job),
      }),
      counts,
      subtitle,
      reason,
      h('span', { class: 'narrow-only muted' }, timeElement(job.created_at)),
    ),
    h('td', { class: 'cell-status' }, pill.element, progress),
    numbers.map(({ cell }) => cell),
    h('td', { class: 'medium nowrap' }, timeElement(job.created_at)),
    h('td', { class: 'number widest' }, duration, speed),
    h('td', { class: 'wide' }, h('div', { class: 'row-actions' }, undoButton, deleteButton)),
  );

  // The reason lies below all cells of the row, so it cannot give the row its height.
  const measured = new ResizeObserver(() => element.style.setProperty('--reason-height', `${reason.offsetHeight}px`));
  measured.observe(reason);

  /** @type {(() => void) | null} */
  let stopWatching = null;
  /** @param {ListedImport} latest */
  const show = (latest) => {
    if (latest.status !== current.status) onStatus(latest);
    current = latest;
    deleteButton.hidden = !isFinal(latest) || !may('imports:write');
    undoButton.hidden = !canUndo(latest);
    const undoText = latest.left_alone_count ? t('imports.undo.button_rest') : t('imports.history.table.undo');
    undoButton.title = labelWithDeadline(undoText, latest.undo_until);
    undoButton.setAttribute(
      'aria-label',
      labelWithDeadline(t('imports.history.table.undo_of', { name: nameOf(latest) }), latest.undo_until),
    );
    pill.show(latest);
    pill.element.title = may('imports:write') ? describeNoUndo(latest) : '';
    progress.hidden = latest.status !== 'processing';
    bar.set(latest.step_progress);
    setText(percent, formatShare(latest.step_progress / 100));
    setText(counts, countsOf(latest));
    setText(subtitle, subtitleOf(latest));
    showMessage(reason, reasonOf(latest));
    reason.dataset.tone = isAllRejected(latest) ? 'warning' : 'danger';
    reason.title = reason.textContent;
    element.classList.toggle('has-reason', Boolean(reason.textContent));
    for (const { field, cell } of numbers) showNumber(cell, field, latest);
    const seconds = isFinal(latest) ? (latest.duration_seconds ?? elapsedSeconds(latest)) : null;
    setText(duration, seconds === null ? '–' : formatDuration(seconds));
    const hasSpeed = !isBulk(latest) && latest.rows_per_second && seconds !== null && seconds >= MIN_SPEED_SECONDS;
    const rate = latest.rows_per_second ?? 0;
    setText(speed, hasSpeed ? t('imports.history.table.speed', { rate, isUndo: isUndo(latest) }) : '');
  };
  const unwatch = () => {
    stopWatching?.();
    stopWatching = null;
  };
  /**
   * Show an import as a list returned it, and watch it while it is running.
   * @param {ListedImport} latest
   */
  const follow = (latest) => {
    const undoId = latest.undo_state === 'undoing' ? latest.undo?.task_id : undefined;
    if (isRunning(latest) || undoId) {
      // A watched job is newer than the list.
      if (stopWatching && current.undo_state === latest.undo_state) return;
      unwatch();
      show(latest);
      const onUndo = (/** @type {ImportJob} */ undo) => (isFinal(undo) ? onUndone() : show(withUndo(current, undo)));
      stopWatching = undoId ? watchJob(undoId, { onJob: onUndo }) : watchJob(latest.task_id, { onJob: show });
    } else {
      unwatch();
      show(latest);
    }
  };
  const stop = () => {
    unwatch();
    measured.disconnect();
  };
  return { element, follow, stop };
}

/**
 * Return a job with a newer state of its undo, which is running.
 * @param {ListedImport} job
 * @param {ImportJob} undo
 * @returns {ListedImport}
 */
const withUndo = (job, { progress }) => ({ ...job, undo: job.undo && { ...job.undo, progress } });

/**
 * Ask for a confirmation, then undo a job. A refusal is shown in a banner.
 * @param {ListedImport} job
 * @param {() => void} onUndone
 */
async function undoJob(job, onUndone) {
  const key = `undo-${job.task_id}`;
  clearBanner(key);
  try {
    const undo = await askToUndo(job, onUndone);
    if (!undo) return;
    jobStarted.emit(undo);
    onUndone();
  } catch (error) {
    showBanner({
      key,
      title: t('imports.history.table.not_undone', { reason: messageOf(error) }),
      detail: nextStep(error),
    });
  }
}

/**
 * Return why an import failed, or that all its rows were rejected; "" if there is nothing to say.
 * @param {ListedImport} job
 */
function reasonOf(job) {
  if (job.status === 'failed') return failureOf(job) ?? '';
  return isAllRejected(job) ? describeAllRejected(job) : '';
}

/** @param {ListedImport} job */
function subtitleOf(job) {
  const size = job.file_size ? formatBytes(job.file_size) : '';
  const plan = job.status === 'awaiting_confirmation' && job.preview_counts ? describePlan(job.preview_counts) : '';
  return [plan, size, describeOrigin(job)].filter(Boolean).join(' · ');
}

/**
 * Return the counts of a job that was undone or is not an import, in its own words: the columns have names for imports.
 * @param {ListedImport} job
 */
function countsOf(job) {
  if (job.undo_state === 'undoing') {
    const percent = formatShare((job.undo?.progress ?? 0) / 100);
    return t('imports.history.table.undoing', { state: describeUndoState(job), percent });
  }
  if (job.undo_state) return describeUndoState(job);
  if (isBulk(job)) return describeCounts(bulkCounts(job).filter(({ value }, index) => value || !index));
  return isUndo(job) ? describeUndone(job) : '';
}

/** @param {ListedImport} job an undo */
const describeUndone = (job) =>
  t('imports.history.table.undone', { removed: job.removed_count, restored: job.updated_count - job.removed_count });

/**
 * Return the number of rows that are known for certain. While a file is read, its total is an estimate.
 * @param {ListedImport} job
 */
function knownRows(job) {
  if (job.status === 'completed' || job.phase === 'writing') return job.total_records;
  return Math.max(job.rows_read, job.processed_records);
}

/**
 * @param {HTMLElement} cell
 * @param {NumberField} field
 * @param {ListedImport} job
 */
function showNumber(cell, field, job) {
  const isOther = job.kind !== 'import' && !COLUMNS_OF_KIND[job.kind].has(field);
  const isMeaningless = isOther || (job.undo_state === 'undone' && UNDONE_COLUMNS.has(field));
  const isWaiting = job.status === 'awaiting_confirmation';
  const [planned, label = ''] = (isWaiting && PLANNED_COUNTS[field]) || [];
  const plannedCount = planned && job.preview_counts?.[planned];
  const count = field === 'total_records' ? knownRows(job) : (plannedCount ?? (planned ? 0 : job[field]));
  const value = isMeaningless ? 0 : count;
  const isUnknown =
    (field === 'total_records' && value === 0 && !isFinal(job)) ||
    (planned !== undefined && plannedCount === undefined);
  cell.classList.toggle('is-planned', planned !== undefined);
  cell.title = label;
  setText(cell, isUnknown || isMeaningless ? '–' : formatNumber(value));
  cell.classList.toggle('is-zero', value === 0);
  cell.classList.toggle('tone-warning', field === 'rejected_count' && value > 0);
}
