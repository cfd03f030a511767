// What the fields of a job mean, and how to merge two versions of one job.

import { bulkKind } from '../core/bulk-kind.js';
import { formatNumber, parseTime } from '../core/format.js';
import { apiText, t } from '../core/i18n.js';
import { serverNow } from '../core/server-clock.js';

/** @import { BulkDetails, ImportDetail, ImportJob } from '../core/types.d.ts' */
/** @import { IconName } from '../core/icons.js' */

const FINAL_STATUSES = new Set(['completed', 'failed', 'cancelled']);

/** @type {Record<string, string | undefined>} */
const PHASE_WORDS = {
  queued: t('imports.job.phase.queued'),
  reading: t('imports.job.phase.reading'),
  reading_workbook: t('imports.job.phase.reading_workbook'),
  comparing: t('imports.job.phase.comparing'),
  finding: t('imports.job.phase.finding'),
  writing: t('imports.job.phase.writing'),
  undoing: t('imports.job.phase.undoing'),
  finished: t('imports.job.phase.finished'),
};

/**
 * Return whether a job has ended. Only a retry changes its status after that.
 * @param {Pick<ImportJob, 'status'>} job
 */
export const isFinal = (job) => FINAL_STATUSES.has(job.status);

/**
 * Return whether a job is queued or being processed.
 * @param {Pick<ImportJob, 'status'>} job
 */
export const isRunning = (job) => job.status === 'pending' || job.status === 'processing';

/**
 * Return whether a job is the undo of an import or of a bulk change.
 * @param {Pick<ImportJob, 'kind'>} job
 */
export const isUndo = (job) => job.kind === 'undo';

/**
 * Return why a job has failed, in the language of the page; null if there is nothing to say.
 * @param {Pick<ImportJob, 'error_message' | 'error_code' | 'error_details'>} job
 */
export const failureOf = (job) => apiText(`failure.${job.error_code}`, job.error_details) ?? job.error_message;

/**
 * Return whether a job is an import.
 * @param {Pick<ImportJob, 'kind'>} job
 */
export const isImport = (job) => job.kind === 'import';

/** @typedef {ImportJob & {bulk: BulkDetails}} BulkJob a bulk change or the undo of one */

/**
 * Return whether a job is a bulk change or the undo of one.
 * @template {Partial<Pick<ImportJob, 'bulk'>>} Job
 * @param {Job} job
 * @returns {job is Job & {bulk: BulkDetails}}
 */
export const isBulk = (job) => Boolean(job.bulk);

/**
 * Return the name of the file of an import, or what a bulk change does. An undo has that of the job that it undoes.
 * @param {Pick<ImportJob, 'filename'> & Partial<Pick<ImportJob, 'bulk'>>} job
 */
export const titleOf = (job) =>
  isBulk(job) ? t(`imports.job.title.${bulkKind(job.bulk)}`, { isAll: job.bulk.selection === 'all' }) : job.filename;

/**
 * Return the name of a job for lists and headings.
 * @param {Pick<ImportJob, 'kind' | 'filename'> & Partial<Pick<ImportJob, 'bulk'>>} job
 */
export const nameOf = (job) =>
  isUndo(job) ? t('imports.job.undo_of', { isBulk: isBulk(job), name: titleOf(job) }) : titleOf(job);

/**
 * Return whether the products that a job has created or updated can be listed: the change log has them as long as the
 * job can be undone, and after an undo of a part.
 * @param {Pick<ImportJob, 'kind' | 'created_count' | 'updated_count' | 'missing_count' | 'undo_state'
 *   | 'undo_until'>} job
 */
export const hasListedProducts = (job) =>
  !isUndo(job) &&
  job.created_count + job.updated_count + job.missing_count > 0 &&
  (isInFuture(job.undo_until) || job.undo_state === 'undoing');

/**
 * Return the address of the products that a job has created or updated.
 * @param {Pick<ImportJob, 'task_id'>} job
 */
export const productsAddress = ({ task_id: id }) => `#/products?${new URLSearchParams({ changed_by: id })}`;

/**
 * Return whether a time is in the future. A missing time is not.
 * @param {string | null} iso
 */
export const isInFuture = (iso) => parseTime(iso) > serverNow();

/**
 * Return whether a job can be started again with its stored file.
 * @param {Pick<ImportJob, 'status' | 'retry_until'>} job
 */
export const canRetry = (job) => (job.status === 'failed' || job.status === 'cancelled') && isInFuture(job.retry_until);

/**
 * Return whether the rows of an import can be corrected before it is checked again.
 * @param {Pick<ImportDetail, 'status' | 'retry_until' | 'options' | 'created_count' | 'updated_count'
 *   | 'missing_count'>} job
 */
export function canFix(job) {
  if (job.status === 'awaiting_confirmation') return true;
  return canRetry(job) && job.options.preview && !(job.created_count + job.updated_count + job.missing_count);
}

/**
 * Return the number of rows that are done in the current phase.
 * @param {Pick<ImportJob, 'phase' | 'rows_read' | 'rows_compared' | 'processed_records'>} job
 */
export function rowsDone(job) {
  if (job.phase === 'reading' || job.phase === 'reading_workbook') return job.rows_read;
  return job.phase === 'comparing' ? job.rows_compared : job.processed_records;
}

/**
 * The fields that the status of a job depends on. A job that has not ended needs no counts.
 * @typedef {Pick<ImportJob, 'status' | 'phase'>
 *   & Partial<Pick<ImportJob, 'kind' | 'total_records' | 'rejected_count' | 'undo_state'>>} StatusFields
 */

/**
 * Return whether every row of an import was rejected: when it has been checked, or when it has ended.
 * @param {Pick<StatusFields, 'kind' | 'status' | 'total_records' | 'rejected_count'>} job
 */
export const isAllRejected = ({ kind, status, total_records: total, rejected_count: rejected }) =>
  kind === 'import' &&
  (status === 'completed' || status === 'awaiting_confirmation') &&
  Boolean(rejected) &&
  rejected === total;

/**
 * How to show what has become of the undo of a job, in place of its own status.
 * @type {Record<NonNullable<ImportJob['undo_state']>, {word: string, icon: IconName, tone: string}>}
 */
const UNDO_STATUSES = {
  undoing: { word: t('imports.job.status.undoing'), icon: 'arc', tone: 'running' },
  undone: { word: t('imports.job.status.undone'), icon: 'undo', tone: 'neutral' },
  partly_undone: { word: t('imports.job.status.partly_undone'), icon: 'undo', tone: 'warning' },
  undo_failed: { word: t('imports.job.status.undo_failed'), icon: 'cross', tone: 'danger' },
  undo_cancelled: { word: t('imports.job.status.undo_cancelled'), icon: 'slash', tone: 'warning' },
};

/**
 * Return how to show the status of a job. `tone` is the suffix of a CSS class.
 * @param {StatusFields} job
 * @returns {{word: string, icon: IconName, tone: string}}
 */
export function describeStatus(job) {
  const undone = job.undo_state ? UNDO_STATUSES[job.undo_state] : undefined;
  if (undone) return undone;
  switch (job.status) {
    case 'pending':
      return { word: t('imports.job.status.pending'), icon: 'clock', tone: 'neutral' };
    case 'processing':
      return { word: PHASE_WORDS[job.phase] ?? t('imports.job.phase.other'), icon: 'arc', tone: 'running' };
    case 'awaiting_confirmation':
      return { word: t('imports.job.status.awaiting_confirmation'), icon: 'pause', tone: 'warning' };
    case 'completed':
      if (isAllRejected(job)) return { word: t('imports.job.status.all_rejected'), icon: 'warning', tone: 'warning' };
      return { word: t('imports.job.status.completed'), icon: 'check', tone: 'success' };
    case 'failed':
      return { word: t('imports.job.status.failed'), icon: 'cross', tone: 'danger' };
    case 'cancelled':
      return { word: t('imports.job.status.cancelled'), icon: 'slash', tone: 'neutral' };
    default:
      return { word: String(job.status), icon: 'clock', tone: 'neutral' };
  }
}

/**
 * Merge a version of a job that has just arrived into the known one.
 *
 * Streams reconnect and polls overtake each other, so an older version may arrive last. It must not move anything
 * back: the run, the status, the progress and the number of processed rows only go forward. The progress of the step
 * starts again with each step, so it belongs to the progress of the whole job.
 * @template {ImportJob} Job
 * @param {Job | null} known
 * @param {Job} arrived
 * @returns {Job} `known` itself if the arrived version is older
 */
export function mergeJob(known, arrived) {
  if (!known) return arrived;
  // Each retry increments the run and restarts the counts at 0, so counts are only compared within a run.
  if (arrived.run !== known.run) return arrived.run > known.run ? arrived : known;
  const isOlder = parseTime(arrived.updated_at) < parseTime(known.updated_at);
  const isNewer = parseTime(arrived.updated_at) > parseTime(known.updated_at);
  // A version of an ended job is replaced by a newer one, or by a final one that is not older.
  if (isFinal(known)) return isNewer || (isFinal(arrived) && !isOlder) ? arrived : known;
  // The clocks of two machines may differ, so more progress counts as newer whatever the timestamps say.
  const isFurther = isFinal(arrived) || arrived.progress > known.progress;
  if (isOlder && !isFurther) return known;
  const { progress, step_progress } = arrived.progress < known.progress ? known : arrived;
  return {
    ...arrived,
    progress,
    step_progress,
    processed_records: Math.max(known.processed_records, arrived.processed_records),
  };
}

/**
 * Describe how far a job is: an import in rows, a bulk change or an undo in products.
 * @param {ImportJob} job
 * @returns {[label: string, value: string] | null} null if no number is known yet
 */
export function describeRows(job) {
  const { total_records: total, rows_read: read } = job;
  const done = Math.max(job.processed_records, job.rows_written);
  const doneOfTotal = t('imports.job.rows.of', { done, total });
  if (!isImport(job)) {
    if (!total) return null;
    return [t('imports.job.rows.products'), job.status === 'completed' ? formatNumber(total) : doneOfTotal];
  }
  if (job.status === 'completed') return [t('imports.job.rows.rows'), formatNumber(total)];
  if (job.status === 'processing' && job.phase === 'comparing') {
    return [t('imports.job.rows.compared'), t('imports.job.rows.of', { done: job.rows_compared, total })];
  }
  if (done > 0 || job.phase === 'writing') return [t('imports.job.rows.processed'), doneOfTotal];
  if (!read) return null;
  // The total is an estimate until the file has been read. An estimate below the rows already read is useless.
  const hasEstimate = total > read && !isFinal(job);
  const text = hasEstimate ? t('imports.job.rows.of_about', { done: read, total }) : formatNumber(read);
  return [t('imports.job.rows.read'), text];
}

/**
 * Return how many seconds a job ran, or has run so far, including the wait for a confirmation.
 *
 * Only timestamps of the server are compared with each other, because the clock of this machine may differ.
 * @param {Pick<ImportJob, 'started_at' | 'finished_at' | 'updated_at'>} job
 * @returns {number | null} null if it has not started
 */
export function elapsedSeconds(job) {
  const start = parseTime(job.started_at);
  if (Number.isNaN(start)) return null;
  if (job.finished_at) return Math.max(0, (parseTime(job.finished_at) - start) / 1000);
  return Math.max(0, (parseTime(job.updated_at) - start) / 1000);
}
