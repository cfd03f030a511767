// What an import, a preview or an undo says about itself: headings and counts.

import { formatCount, formatDuration, formatNumber } from '../core/format.js';
import { elapsedSeconds, isUndo } from './job.js';
import { isChecking, lacksSku, needsColumns } from './steps.js';

const WAITING_HINT_MS = 5_000;

const PHASE_HEADLINES = {
  reading: 'Reading the file',
  comparing: 'Comparing with your products',
  writing: 'Writing products',
  undoing: 'Taking the import back',
  finished: 'Finishing',
};

const IMPORT_COUNTS = [
  ['created', 'Created'],
  ['updated', 'Updated'],
  ['unchanged', 'Unchanged'],
  ['skipped', 'Left out'],
  ['duplicate', 'Duplicates'],
  ['rejected', 'Rejected'],
];
const UNDO_COUNTS = [
  ['removed', 'Removed'],
  ['restored', 'Restored'],
  ['rejected', 'Left alone'],
  ['unchanged', 'Gone already'],
];

/** @typedef {{name: string, label: string, value: number}} Count */

/** @param {object} job @returns {Count[]} that add up to its rows */
export function jobCounts(job) {
  const count = (name) => job[`${name}_count`] ?? 0;
  if (isUndo(job)) {
    const values = {
      removed: count('removed'),
      restored: count('updated') - count('removed'),
      rejected: count('rejected'),
      unchanged: count('unchanged'),
    };
    return UNDO_COUNTS.map(([name, label]) => ({ name, label, value: values[name] }));
  }
  return IMPORT_COUNTS.map(([name, label]) => ({
    name,
    label,
    value: name === 'unchanged' ? count('unchanged') - count('skipped') : count(name),
  })).filter(({ name, value }) => name !== 'skipped' || value || isPartial(job));
}

const isPartial = (job) => job.mode === 'create' || job.mode === 'update';

/** @param {object} preview @param {object} job @returns {Count[]} what an import would do */
export function previewCounts(preview, job) {
  const words = [
    ['create', 'To create'],
    ['update', 'To update'],
    ['unchanged', 'Unchanged'],
    ['skipped', 'Left out'],
    ['duplicate', 'Duplicates'],
    ['rejected', 'Rejected'],
  ];
  return words
    .map(([name, label]) => ({ name, label, value: preview[name] ?? 0 }))
    .filter(({ name, value }) => name !== 'skipped' || value || isPartial(job));
}

/** @param {Count[]} counts @returns {string} */
export const describeCounts = (counts) =>
  counts.map(({ label, value }) => `${formatNumber(value)} ${label.toLowerCase()}`).join(', ');

/**
 * @param {object} job
 * @param {number} [watchedMs] since when it is in view
 * @returns {string}
 */
export function headline(job, watchedMs = 0) {
  const thing = isUndo(job) ? 'undo' : 'import';
  switch (job.status) {
    case 'pending':
      return watchedMs > WAITING_HINT_MS ? 'Waiting for a worker… It starts by itself.' : 'Queued';
    case 'processing':
      return runningHeadline(job);
    case 'awaiting_confirmation':
      return 'Waiting to be confirmed. Nothing has been written yet.';
    case 'completed':
      return isUndo(job) ? undoneSentence(job) : completedSentence(job);
    case 'failed':
      return needsColumns(job)
        ? lacksSku(job)
          ? 'Which column is the SKU?'
          : 'Which column is which?'
        : `The ${thing} did not finish`;
    case 'cancelled':
      return isExpired(job) ? 'Nobody confirmed it in time' : `The ${thing} was cancelled`;
    default:
      return '';
  }
}

function runningHeadline(job) {
  const words = PHASE_HEADLINES[job.phase] ?? 'Starting';
  return isChecking(job) ? `Checking: ${words.charAt(0).toLowerCase()}${words.slice(1)}` : words;
}

/** @param {object} job @returns {boolean} cancelled because nobody confirmed it */
export const isExpired = (job) =>
  job.status === 'cancelled' &&
  (job.log ?? []).findLast((entry) => ['expired', 'cancelled', 'retried'].includes(entry.event))?.event === 'expired';

function completedSentence(job) {
  const total = formatCount(job.total_records, 'row');
  const taken = job.rejected_count ? `${formatNumber(job.total_records - job.rejected_count)} of ${total}` : total;
  return `${taken} imported${took(job)}`;
}

function undoneSentence(job) {
  const parts = jobCounts(job).filter(({ name, value }) => value || name === 'removed' || name === 'restored');
  return parts.map(({ label, value }) => `${formatNumber(value)} ${label.toLowerCase()}`).join(', ') + took(job);
}

function took(job) {
  const seconds = job.duration_seconds ?? elapsedSeconds(job);
  return seconds === null ? '' : ` in ${formatDuration(seconds)}`;
}

/** @param {object} job one that ended early @returns {string} exactly what of it is in the products */
export function describeWritten(job) {
  const created = job.created_count ?? 0;
  const updated = job.updated_count ?? 0;
  if (isUndo(job)) {
    const restored = updated - (job.removed_count ?? 0);
    return updated
      ? `Until then ${formatCount(job.removed_count, 'product was', 'products were')} removed ` +
          `and ${formatNumber(restored)} restored. That stays.`
      : 'Nothing was changed.';
  }
  if (!created && !updated) return 'Nothing was written.';
  const createdProducts = formatCount(created, 'product was', 'products were');
  return `Until then ${createdProducts} created and ${formatNumber(updated)} updated. That stays.`;
}

/**
 * @param {number} count
 * @returns {{title: string, detail: string}} why an import that is all or nothing does nothing
 */
export const describeAllOrNothing = (count) => ({
  title: `${formatCount(count, 'row is', 'rows are')} bad, and this import is all or nothing.`,
  detail: 'Correct the file and import it again, or set the bad rows aside and import the others.',
});
