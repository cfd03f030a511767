// Sentences that describe a bulk change or its undo.

import { bulkKind } from '../core/bulk-kind.js';
import { formatList, formatTime, formatTimeLeft, oneLine } from '../core/format.js';
import { t } from '../core/i18n.js';
import { currentWho, isLocal } from '../core/session.js';
import { bulkChangedCount, bulkCounts, describeCount } from './counts.js';
import { isUndo, nameOf, titleOf } from './job.js';

/** @import { Arguments } from '../core/i18n.js' */
/** @import { BulkDetails, ImportJob } from '../core/types.d.ts' */
/** @import { BulkJob } from './job.js' */

/** @typedef {Arguments<'imports.details.filter.text'>[0]['field']} TextFilter */

const SHOWN_CHARACTERS = 200;

/**
 * Return what a bulk change or its undo has done, such as "1,200 products deactivated, 212 unchanged".
 * @param {BulkJob} job
 */
export function describeBulkResult(job) {
  const { name, value: count } = bulkChangedCount(job);
  const others = bulkCounts(job).filter((other) => other.name !== name && other.value);
  return formatList([t('imports.bulk.result', { name, count }), ...others.map(describeCount)]);
}

/**
 * Return the notice about a bulk change or an undo that was completed or cancelled.
 * @param {BulkJob} job
 */
export function describeBulkEnd(job) {
  if (job.status !== 'cancelled') return describeBulkResult(job);
  const { kind } = job;
  const { name, value: count } = bulkChangedCount(job);
  return count ? t('imports.bulk.cancelled', { kind, name, count }) : t('imports.bulk.cancelled_unchanged', { kind });
}

/**
 * Return what a bulk change or an undo wrote before it failed or was cancelled.
 * @param {BulkJob} job
 * @returns {string} one or two sentences
 */
export function describeBulkWritten(job) {
  const { name, value: count } = bulkChangedCount(job);
  return count ? t('imports.bulk.written', { name, count }) : t('imports.written.nothing_changed');
}

/**
 * Return what a running bulk change or undo does, such as "Deactivating 1,412 products".
 * @param {BulkJob} job
 */
export function describeBulkAction(job) {
  if (isUndo(job)) return t('imports.bulk.action.undo', { name: titleOf(job) });
  const args = { isAll: job.bulk.selection === 'all', count: job.total_records };
  return t(`imports.bulk.action.${bulkKind(job.bulk)}`, args);
}

/**
 * Return how far a running bulk change or undo is.
 * @param {BulkJob} job
 * @param {number | null} secondsLeft null if there is no estimate
 */
export function describeBulkProgress(job, secondsLeft) {
  if (job.status === 'pending') return t('imports.bulk.waiting');
  if (job.phase === 'finding' || !job.total_records) return t('imports.bulk.finding');
  const counts = { done: Math.max(job.processed_records, job.rows_written), total: job.total_records };
  return secondsLeft === null
    ? t('imports.bulk.progress', counts)
    : t('imports.bulk.progress_left', { ...counts, time: formatTimeLeft(secondsLeft) });
}

/**
 * Return which products a bulk change selects, such as “Products that match: “lamp” in name”.
 * @param {BulkDetails} bulk
 */
export function describeSelection({ selection, filter, ids }) {
  if (selection === 'all') return t('imports.details.selection.all');
  if (selection === 'ids') return t('imports.details.selection.ids', { count: ids ?? 0 });
  const filters = Object.entries(filter ?? {}).map(([name, value]) => describeFilter(name, value));
  return t('imports.details.selection.filter', { filters: formatList(filters) });
}

/**
 * @param {string} name
 * @param {unknown} value
 */
function describeFilter(name, value) {
  if (name === 'active') return t('imports.details.active', { isActive: Boolean(value) });
  if (name === 'changed_by') return t('imports.details.filter.changed_by');
  if (name === 'changed_since') return t('imports.details.filter.changed_since', { time: formatTime(String(value)) });
  const field = /** @type {TextFilter} */ (name);
  return t('imports.details.filter.text', { field, value: oneLine(String(value), SHOWN_CHARACTERS) });
}

/**
 * Return the value that a bulk change sets.
 * @param {BulkDetails} bulk with the action `set`
 */
export function describeValue({ value }) {
  if (typeof value === 'boolean') return t('imports.details.active', { isActive: value });
  return value ? t('imports.details.value', { value: oneLine(value, SHOWN_CHARACTERS) }) : t('imports.details.empty');
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
