// The table of earlier imports. Rows are kept by id, so that live changes never redraw the table.

import { h, setText } from '../core/dom.js';
import { formatBytes, formatDuration, formatNumber } from '../core/format.js';
import { go } from '../core/router.js';
import { progressBar, timeElement } from '../core/widgets.js';
import { describeOrigin } from './details-card.js';
import { watchJob } from './job-watcher.js';
import { elapsedSeconds, isFinal, isRunning, isUndo, nameOf } from './job.js';
import { createStatusPill } from './status-pill.js';
import { importAddress } from './steps.js';

const NUMBERS = [
  ['total_records', 'Rows', ''],
  ['created_count', 'Created', 'wide'],
  ['updated_count', 'Updated', 'wide'],
  ['unchanged_count', 'Unchanged', 'widest'],
  ['rejected_count', 'Rejected', 'medium'],
];

// Of an import that took no time a speed means nothing.
const LONG_ENOUGH_S = 0.5;

/**
 * @returns {{element: HTMLElement, show: (jobs: object[]) => void, stop: () => void}}
 */
export function createHistoryTable() {
  const body = h('tbody');
  const element = h(
    'div',
    { class: 'table-scroll', tabindex: '0', role: 'region', 'aria-label': 'Table of earlier imports' },
    h(
      'table',
      { class: 'table table-imports', data: { testid: 'imports-table' } },
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          h('th', { scope: 'col', text: 'File' }),
          h('th', { scope: 'col', text: 'Status' }),
          NUMBERS.map(([, label, when]) => h('th', { scope: 'col', class: `number ${when}`, text: label })),
          h('th', { scope: 'col', class: 'medium', text: 'Started' }),
          h('th', { scope: 'col', class: 'number widest', text: 'Duration' }),
        ),
      ),
      body,
    ),
  );
  const rows = new Map();

  const show = (jobs) => {
    const ids = new Set(jobs.map((job) => job.task_id));
    for (const [id, row] of rows) {
      if (ids.has(id)) continue;
      row.stop();
      rows.delete(id);
    }
    for (const job of jobs) {
      if (!rows.has(job.task_id)) rows.set(job.task_id, importRow(job));
      rows.get(job.task_id).follow(job);
    }
    const wanted = jobs.map((job) => rows.get(job.task_id).element);
    // Moving a row would take the focus from the link in it.
    if (wanted.length !== body.children.length || wanted.some((row, index) => body.children[index] !== row)) {
      body.replaceChildren(...wanted);
    }
  };
  return { element, show, stop: () => rows.forEach((row) => row.stop()) };
}

function importRow(job) {
  const address = importAddress(job.task_id);
  const pill = createStatusPill();
  const bar = progressBar({ label: isUndo(job) ? nameOf(job) : `Import of ${job.filename}`, size: 'slim' });
  const percent = h('span', { class: 'tabular muted' });
  const live = h('div', { class: 'row-progress' }, bar.element, percent);
  const numbers = NUMBERS.map(([field, , when]) => ({ field, cell: h('td', { class: `number ${when}` }) }));
  const below = h('span', { class: 'cell-below muted medium-line' });
  const duration = h('span', {});
  const speed = h('span', { class: 'cell-below muted' });
  const element = h(
    'tr',
    { class: 'row-link', on: { click: (event) => event.target.closest('a') || go(address) } },
    h(
      'td',
      { class: 'cell-file' },
      h('a', { class: 'file-link', href: address, text: nameOf(job), title: job.filename }),
      below,
      h('span', { class: 'narrow-only muted' }, timeElement(job.created_at)),
    ),
    h('td', { class: 'cell-status' }, pill.element, live),
    numbers.map(({ cell }) => cell),
    h('td', { class: 'medium nowrap' }, timeElement(job.created_at)),
    h('td', { class: 'number widest' }, duration, speed),
  );

  let stopWatching = null;
  const paint = (latest) => {
    pill.show(latest);
    live.hidden = latest.status !== 'processing';
    bar.set(latest.progress ?? 0);
    setText(percent, `${latest.progress ?? 0}%`);
    setText(
      below,
      [isUndo(latest) ? takenBack(latest) : latest.file_size && formatBytes(latest.file_size), describeOrigin(latest)]
        .filter(Boolean)
        .join(' · '),
    );
    for (const { field, cell } of numbers) paintNumber(cell, field, latest);
    const seconds = isFinal(latest) ? (latest.duration_seconds ?? elapsedSeconds(latest)) : null;
    setText(duration, seconds === null ? '–' : formatDuration(seconds));
    setText(
      speed,
      latest.rows_per_second && seconds >= LONG_ENOUGH_S ? `${formatNumber(latest.rows_per_second)} rows/s` : '',
    );
  };
  const stop = () => {
    stopWatching?.();
    stopWatching = null;
  };
  const follow = (latest) => {
    if (isRunning(latest)) {
      if (stopWatching) return; // What is being watched is newer than the list.
      paint(latest);
      stopWatching = watchJob(latest.task_id, { onJob: paint });
    } else {
      stop();
      paint(latest);
    }
  };
  return { element, follow, stop };
}

// While a file is read its total is an estimate, which would look like a fact here.
function knownRows(job) {
  if (job.status === 'completed' || job.phase === 'writing') return job.total_records;
  return Math.max(job.rows_read ?? 0, job.processed_records ?? 0);
}

const takenBack = (job) =>
  `${formatNumber(job.removed_count)} removed, ${formatNumber(job.updated_count - job.removed_count)} restored`;

// An undo has other counts than these.
const OF_UNDO = new Set(['total_records', 'rejected_count']);

function paintNumber(cell, field, job) {
  const isNothing = isUndo(job) && !OF_UNDO.has(field);
  const value = isNothing ? 0 : ((field === 'total_records' ? knownRows(job) : job[field]) ?? 0);
  const unknown = field === 'total_records' && value === 0 && !isFinal(job);
  setText(cell, unknown || isNothing ? '–' : formatNumber(value));
  cell.classList.toggle('is-zero', value === 0);
  cell.classList.toggle('tone-warning', field === 'rejected_count' && value > 0);
}
