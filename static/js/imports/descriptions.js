// Sentences and counts that describe a job: an import, its preview, a bulk change or an undo.

import { formatCount, formatDuration, formatNumber, formatPart } from '../core/format.js';
import { bulkCounts, describeBulkResult, describeBulkWritten } from './bulk-texts.js';
import { elapsedSeconds, isAllRejected, isBulk, isUndo, nounOf, nounOfUndone } from './job.js';
import { isChecking, lacksSku, needsColumns, outcomeOf } from './steps.js';
import { describeUndoState } from './undo-texts.js';

/** @import { ImportDetail, ImportJob, Preview, PreviewCounts } from '../core/types.d.ts' */

const LIST = new Intl.ListFormat('en-GB', { type: 'conjunction' });

/** How long an import is in view before its headline explains that it waits for a worker. */
const WAITING_HINT_MS = 5_000;

const WAITING_HINT = 'Waiting for a worker. It starts by itself, after the imports before it.';

/** @type {Record<string, string | undefined>} */
const PHASE_HEADLINES = {
  reading: 'Reading the file',
  reading_workbook: 'Reading the workbook',
  comparing: 'Comparing with your products',
  finding: 'Finding products that the file does not have',
  writing: 'Writing products',
  finished: 'Finishing',
};

/** @typedef {{name: string, label: string, value: number}} Count */

/**
 * Return the counts of a job. They add up to its number of rows, without the products that an import deactivated or
 * deleted because they are not in the file.
 * @param {ImportDetail} job
 * @returns {Count[]}
 */
export function jobCounts(job) {
  if (isBulk(job)) return bulkCounts(job);
  if (isUndo(job)) {
    return [
      { name: 'removed', label: 'Removed', value: job.removed_count },
      { name: 'restored', label: 'Restored', value: job.updated_count - job.removed_count },
      { name: 'rejected', label: 'Left alone', value: job.rejected_count },
      { name: 'unchanged', label: 'Already gone', value: job.unchanged_count },
    ];
  }
  return withoutUnusedSkips(job, [
    { name: 'created', label: 'Created', value: job.created_count },
    { name: 'updated', label: 'Updated', value: job.updated_count },
    ...removalCount(job),
    { name: 'unchanged', label: 'Unchanged', value: job.unchanged_count - job.skipped_count },
    { name: 'skipped', label: 'Left out', value: job.skipped_count },
    { name: 'duplicate', label: 'Duplicates', value: job.duplicate_count },
    { name: 'rejected', label: 'Rejected', value: job.rejected_count },
  ]);
}

/**
 * Return the count of products that an import deactivated or deleted, if it had to.
 * @param {ImportDetail} job
 * @returns {Count[]}
 */
function removalCount({ options, missing_count: value }) {
  if (options.missing === 'keep') return [];
  return [
    options.missing === 'delete'
      ? { name: 'deleted', label: 'Deleted', value }
      : { name: 'deactivated', label: 'Deactivated', value },
  ];
}

/**
 * Return the counts of what an import would do.
 * @param {Partial<Preview>} preview
 * @param {Pick<ImportDetail, 'mode' | 'options'>} job
 * @returns {Count[]}
 */
export function previewCounts(preview, job) {
  return withoutUnusedSkips(job, [
    { name: 'create', label: 'To create', value: preview.create ?? 0 },
    { name: 'update', label: 'To update', value: preview.update ?? 0 },
    ...missingCount(preview, job),
    { name: 'unchanged', label: 'Unchanged', value: (preview.unchanged ?? 0) - (preview.skipped ?? 0) },
    { name: 'skipped', label: 'Left out', value: preview.skipped ?? 0 },
    { name: 'duplicate', label: 'Duplicates', value: preview.duplicate ?? 0 },
    { name: 'rejected', label: 'Rejected', value: preview.rejected ?? 0 },
  ]);
}

/**
 * Return the count of products that are not in the file, if the import would remove such products.
 * @param {Partial<Preview>} preview
 * @param {Pick<ImportDetail, 'options'>} job
 * @returns {Count[]}
 */
function missingCount({ missing }, { options }) {
  if (options.missing === 'keep' || typeof missing !== 'number') return [];
  return [{ name: 'missing', label: options.missing === 'delete' ? 'To delete' : 'To deactivate', value: missing }];
}

/**
 * Return how many products an import would deactivate or delete because they are not in the file.
 * @param {Pick<ImportDetail, 'options' | 'preview'>} job
 */
export const countRemovals = ({ options, preview }) => (options.missing === 'keep' ? 0 : (preview?.missing ?? 0));

/**
 * Say in the history what an import that waits for its confirmation would do.
 * @param {PreviewCounts} counts
 */
export function describePlan({ create, update, missing }) {
  const parts = /** @type {[count: number, verb: string][]} */ ([
    [create, 'create'],
    [update, 'update'],
    [missing, 'remove'],
  ])
    .filter(([count]) => count)
    .map(([count, verb]) => `${verb} ${formatNumber(count)}`);
  return parts.length ? `Would ${LIST.format(parts)}` : 'Would change nothing';
}

/**
 * Return the headline of a check: what the import would do, and how much of the file is rejected.
 * @param {Pick<ImportDetail, 'options' | 'preview'>} job
 * @returns {string}
 */
export function checkHeadline({ options, preview }) {
  if (!preview) return 'Not counted';
  const { create, update, unchanged, duplicate, rejected } = preview;
  const total = create + update + unchanged + duplicate + rejected;
  const changes = /** @type {[count: number, word: string][]} */ ([
    [create, 'created'],
    [update, 'updated'],
    [countRemovals({ options, preview }), options.missing === 'delete' ? 'deleted' : 'deactivated'],
  ]).filter(([count]) => count);
  const parts = changes.map(([count, word], index) =>
    index ? `${formatNumber(count)} ${word}` : `${formatCount(count, 'product')} would be ${word}`,
  );
  const headline = parts.join(', ') || 'Nothing would change';
  if (!rejected) return headline;
  if (rejected === total) return `${headline}: ${everyRow(total)} rejected`;
  const rejects = `${formatNumber(rejected)} of ${formatCount(total, 'row')} rejected (${formatPart(rejected, total)})`;
  // A line must not begin with the dot.
  return `${headline}\u00a0· ${rejects}`;
}

/**
 * Return the label of the button that confirms a check.
 * @param {Pick<ImportDetail, 'options' | 'preview'>} job
 */
export function confirmLabel({ options, preview }) {
  const count = preview ? preview.create + preview.update : 0;
  const removals = countRemovals({ options, preview });
  const action = options.missing === 'delete' ? 'delete' : 'deactivate';
  if (count && removals) return `Import ${formatCount(count, 'product')} and ${action} ${formatNumber(removals)}`;
  if (removals) return `${action === 'delete' ? 'Delete' : 'Deactivate'} ${formatCount(removals, 'product')}`;
  return count ? `Import ${formatCount(count, 'product')}` : 'Finish without changes';
}

/**
 * Remove a zero count of skipped rows unless the mode of the import can skip rows.
 * @param {Pick<ImportJob, 'mode'>} job
 * @param {Count[]} counts
 */
function withoutUnusedSkips(job, counts) {
  const canSkip = job.mode === 'create' || job.mode === 'update';
  return counts.filter(({ name, value }) => name !== 'skipped' || value || canSkip);
}

/**
 * Return counts as text, such as "2 created, 1 rejected".
 * @param {Count[]} counts
 */
export const describeCounts = (counts) =>
  counts.map(({ label, value }) => `${formatNumber(value)} ${label.toLowerCase()}`).join(', ');

/**
 * Return the headline of a job.
 * @param {ImportDetail} job
 * @param {number} [watchedMs] milliseconds since it came into view
 * @returns {string}
 */
export function jobHeadline(job, watchedMs = 0) {
  const noun = nounOf(job);
  switch (job.status) {
    case 'pending':
      return watchedMs > WAITING_HINT_MS ? WAITING_HINT : 'Queued: waiting for a worker';
    case 'processing':
      return runningHeadline(job);
    case 'awaiting_confirmation':
      return 'Waiting to be confirmed. Nothing has been written yet.';
    case 'completed':
      if (job.undo_state) return describeUndoState(job);
      if (isBulk(job)) return describeBulkResult(job) + durationSuffix(job);
      return isUndo(job) ? describeUndone(job) : describeImported(job);
    case 'failed':
      if (outcomeOf(job, 'check') === 'failed') return 'The check did not finish';
      if (!needsColumns(job)) return `The ${noun} did not finish`;
      return lacksSku(job) ? 'Which column is the SKU?' : 'Which column is which?';
    case 'cancelled':
      return isExpired(job) ? 'Nobody confirmed it in time' : `The ${noun} was cancelled`;
    default:
      return '';
  }
}

/** @param {ImportDetail} job */
function runningHeadline(job) {
  if (job.phase === 'undoing') return `Undoing the ${nounOfUndone(job)}`;
  const isFindingSelected = isBulk(job) && job.phase === 'finding';
  const headline = isFindingSelected ? 'Finding the products' : (PHASE_HEADLINES[job.phase] ?? 'Starting');
  return isChecking(job) ? `Checking: ${headline.charAt(0).toLowerCase()}${headline.slice(1)}` : headline;
}

/**
 * Return whether an import was cancelled because nobody confirmed it in time.
 * @param {ImportDetail} job
 */
export const isExpired = (job) =>
  job.status === 'cancelled' &&
  job.log.findLast(({ event }) => ['expired', 'cancelled', 'retried'].includes(event))?.event === 'expired';

/** @param {ImportDetail} job a completed import */
function describeImported(job) {
  if (isAllRejected(job)) return `Nothing was imported: ${everyRow(job.total_records)} rejected`;
  const total = formatCount(job.total_records, 'row');
  const count = countImported(job);
  const imported = count < job.total_records ? `${formatNumber(count)} of ${total}` : total;
  const [removal] = removalCount(job);
  const removed = removal?.value ? `, ${formatCount(removal.value, 'product')} ${removal.label.toLowerCase()}` : '';
  return `${imported} imported${removed}${durationSuffix(job)}`;
}

/**
 * Return how many rows of a completed import counted. Duplicates, rejected rows, and those that the mode left out did
 * not.
 * @param {Pick<ImportJob, 'total_records' | 'rejected_count' | 'duplicate_count' | 'skipped_count'>} job
 */
const countImported = ({ total_records: total, rejected_count: rejected, duplicate_count: duplicate, ...job }) =>
  total - rejected - duplicate - job.skipped_count;

/**
 * Say beside the rejected rows of a check what can become of the other rows.
 * @param {Pick<Preview, 'create' | 'update' | 'unchanged' | 'duplicate'>} preview
 */
export function describeOtherRows({ create, update, unchanged, duplicate }) {
  const others = create + update + unchanged + duplicate;
  if (!others) return 'There are no other rows.';
  const rows = others === 1 ? 'The other row' : `The other ${formatNumber(others)} rows`;
  return `${rows} ${create + update ? 'can be imported' : 'would change nothing'}.`;
}

/**
 * Say beside the rejected rows of a completed import what has become of the other rows.
 * @param {ImportJob} job
 */
export function describeOtherImported(job) {
  const count = countImported(job);
  return count ? `${formatCount(count, 'other row was', 'other rows were')} imported.` : 'No other row was imported.';
}

/**
 * Say in the history that every row of an import was rejected.
 * @param {Pick<ImportJob, 'status' | 'total_records'>} job
 */
export function describeAllRejected({ status, total_records: total }) {
  const rows = total === 1 ? 'The only row was' : `All ${formatNumber(total)} rows were`;
  return `${rows} rejected, so nothing ${status === 'completed' ? 'was' : 'can be'} imported.`;
}

/** @param {number} total */
const everyRow = (total) => (total === 1 ? 'its only row was' : `all ${formatNumber(total)} rows were`);

/** @param {ImportDetail} job a completed undo */
function describeUndone(job) {
  const counts = jobCounts(job).filter(({ name, value }) => value || name === 'removed' || name === 'restored');
  return describeCounts(counts) + durationSuffix(job);
}

/** @param {ImportJob} job */
function durationSuffix(job) {
  const seconds = job.duration_seconds ?? elapsedSeconds(job);
  return seconds === null ? '' : ` in ${formatDuration(seconds)}`;
}

/**
 * Describe what a job wrote before it failed or was cancelled.
 * @param {ImportDetail} job
 * @returns {string} one or two sentences
 */
export function describeWritten(job) {
  const { created_count: created, updated_count: updated, removed_count: removed } = job;
  if (isBulk(job)) return describeBulkWritten(job);
  if (isUndo(job)) {
    if (!updated) return 'Nothing was changed.';
    return describeStopped([
      [removed, 'removed'],
      [updated - removed, 'restored'],
    ]);
  }
  const { missing_count: missing, options } = job;
  if (!created && !updated && !missing) return 'Nothing was written.';
  return describeStopped([
    [created, 'created'],
    [updated, 'updated'],
    [missing, options.missing === 'delete' ? 'deleted' : 'deactivated'],
  ]);
}

/** @param {[count: number, participle: string][]} counts */
const describeStopped = (counts) =>
  `${describeProducts(counts, ['was', 'were'])} before it stopped. These changes stay.`;

/**
 * Return counts of products in one clause, such as "1 product was created and 3 updated". Counts of 0 are left out.
 * @param {[count: number, participle: string][]} counts at least one is not 0
 * @param {[singular: string, plural: string]} verb
 */
export function describeProducts(counts, [singular, plural]) {
  const parts = counts
    .filter(([count]) => count)
    .map(([count, participle], index) =>
      index
        ? `${formatNumber(count)} ${participle}`
        : `${formatCount(count, `product ${singular}`, `products ${plural}`)} ${participle}`,
    );
  return LIST.format(parts);
}

/**
 * Explain why an all-or-nothing import with rejected rows writes nothing.
 * @param {number} rejectedCount
 * @param {number} rowCount of the file
 * @returns {{title: string, detail: string}}
 */
export function describeAllOrNothing(rejectedCount, rowCount) {
  const title = `${formatCount(rejectedCount, 'row is', 'rows are')} bad, and this import is all or nothing.`;
  if (rejectedCount >= rowCount) return { title, detail: 'Correct the file and import it again.' };
  const bad = rejectedCount === 1 ? 'the bad row' : 'the bad rows';
  const others = rowCount - rejectedCount === 1 ? 'the other one' : 'the others';
  return { title, detail: `Correct the file and import it again, or set ${bad} aside and import ${others}.` };
}

/**
 * Describe where and by whom a job was started, such as "The page · 127.0.0.1".
 * @param {Pick<ImportJob, 'started_from' | 'started_by'>} job
 */
export function describeOrigin(job) {
  const origin = { page: 'The page', api: 'The API' }[job.started_from];
  return [origin, job.started_by].filter(Boolean).join(' · ');
}
