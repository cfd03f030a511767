// Sentences and counts that describe a bulk change or its undo.

import { bulkWords } from '../core/bulk-words.js';
import { formatCount, formatNumber, formatTime, formatTimeLeft, oneLine } from '../core/format.js';
import { currentWho, isLocal } from '../core/session.js';
import { isUndo, nameOf } from './job.js';

/** @import { BulkDetails, ImportJob } from '../core/types.d.ts' */
/** @import { Count } from './descriptions.js' */
/** @import { BulkJob } from './job.js' */

const SHOWN_CHARACTERS = 200;

/** @type {Record<string, string | undefined>} */
const FILTER_LABELS = { q: 'any text', sku: 'SKU', name: 'name', description: 'description' };

/**
 * Return how many products a bulk change has changed or deleted, or its undo has restored.
 * @param {Pick<ImportJob, 'kind' | 'updated_count' | 'removed_count'>} job
 */
export const changedCount = (job) => (isUndo(job) ? job.updated_count : job.updated_count + job.removed_count);

/**
 * Return the counts of a bulk change or of its undo. They add up to the products that it found.
 * @param {BulkJob} job
 * @returns {Count[]}
 */
export function bulkCounts(job) {
  if (isUndo(job)) {
    return [
      { name: 'restored', label: 'Restored', value: changedCount(job) },
      { name: 'rejected', label: 'Left alone', value: job.rejected_count },
      { name: 'unchanged', label: 'Already gone', value: job.unchanged_count },
    ];
  }
  const { participle } = bulkWords(job.bulk);
  return [
    { name: participle, label: capitalize(participle), value: changedCount(job) },
    { name: 'unchanged', label: 'Unchanged', value: job.unchanged_count },
  ];
}

/**
 * Return what a bulk change or its undo has done, such as "1,200 products deactivated, 212 unchanged".
 * @param {BulkJob} job
 */
export function describeBulkResult(job) {
  const [changed, ...others] = bulkCounts(job);
  const rest = others.filter(({ value }) => value).map(({ label, value }) => [value, label.toLowerCase()]);
  const first = changed?.value
    ? `${formatCount(changed.value, 'product')} ${changed.label.toLowerCase()}`
    : `No product ${changed?.label.toLowerCase()}`;
  return [first, ...rest.map(([value, word]) => `${formatNumber(Number(value))} ${word}`)].join(', ');
}

/**
 * Return the notice about a bulk change or an undo that was completed or cancelled.
 * @param {BulkJob} job
 */
export function describeBulkEnd(job) {
  if (job.status !== 'cancelled') return describeBulkResult(job);
  const noun = isUndo(job) ? 'The undo' : 'The bulk change';
  if (!changedCount(job)) return `${noun} was cancelled before it changed anything`;
  const [changed] = bulkCounts(job);
  return `${noun} was cancelled: ${formatCount(changedCount(job), 'product')} ${changed?.label.toLowerCase()} before`;
}

/**
 * Return what a bulk change or an undo wrote before it failed or was cancelled.
 * @param {BulkJob} job
 * @returns {string} one or two sentences
 */
export function describeBulkWritten(job) {
  const count = changedCount(job);
  if (!count) return 'Nothing was changed.';
  const [changed] = bulkCounts(job);
  const products = formatCount(count, 'product was', 'products were');
  const stay = count === 1 ? 'This change stays.' : 'These changes stay.';
  return `${products} ${changed?.label.toLowerCase()} before it stopped. ${stay}`;
}

/**
 * Return what a running bulk change or undo does, such as "Deactivating 1,412 products".
 * @param {BulkJob} job
 */
export function describeBulkAction(job) {
  if (isUndo(job)) return `Undoing “${job.filename}”`;
  const { gerund } = bulkWords(job.bulk);
  const all = job.bulk.selection === 'all' ? 'all ' : '';
  return `${gerund} ${all}${job.total_records ? formatCount(job.total_records, 'product') : 'products'}`;
}

/**
 * Return how far a running bulk change or undo is.
 * @param {BulkJob} job
 * @param {number | null} secondsLeft null if there is no estimate
 */
export function describeBulkProgress(job, secondsLeft) {
  if (job.status === 'pending') return 'Waiting for a worker…';
  if (job.phase === 'finding' || !job.total_records) return 'Finding the products…';
  const done = Math.max(job.processed_records, job.rows_written);
  const parts = [`${formatNumber(done)} of ${formatNumber(job.total_records)}`];
  if (secondsLeft !== null) parts.push(`${formatTimeLeft(secondsLeft)} left`);
  return parts.join(' · ');
}

/**
 * Return which products a bulk change selects, such as “Products with “lamp” in the name”.
 * @param {BulkDetails} bulk
 */
export function describeSelection({ selection, filter, ids }) {
  if (selection === 'all') return 'All products';
  if (selection === 'ids') return formatCount(ids ?? 0, 'selected product');
  const parts = Object.entries(filter ?? {}).map(([name, value]) => {
    if (name === 'active') return value ? 'active' : 'inactive';
    if (name === 'changed_by') return 'changed by one job';
    if (name === 'changed_since') return `changed since ${formatTime(String(value))}`;
    return `“${oneLine(String(value), SHOWN_CHARACTERS)}” in ${FILTER_LABELS[name] ?? name}`;
  });
  return `Products that match: ${parts.join(', ')}`;
}

/**
 * Return the value that a bulk change sets.
 * @param {BulkDetails} bulk with the action `set`
 */
export function describeValue({ value }) {
  if (typeof value === 'boolean') return value ? 'active' : 'inactive';
  return value ? `“${oneLine(value, SHOWN_CHARACTERS)}”` : 'empty';
}

/**
 * Return who has started a job; "" if it is the person who uses the page, or if nobody has an account.
 * @param {Pick<ImportJob, 'started_by'>} job
 */
export function otherAuthor({ started_by: author }) {
  return isLocal() || author === currentWho()?.actor.name ? '' : author;
}

/**
 * Return the label of the progress bar of a bulk change or an undo.
 * @param {BulkJob} job
 */
export const progressLabel = (job) => (isUndo(job) ? nameOf(job) : describeBulkAction(job));

/** @param {string} word */
const capitalize = (word) => word.charAt(0).toUpperCase() + word.slice(1);
