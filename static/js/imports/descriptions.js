// Sentences that describe a job: an import, a bulk change or an undo.

import { formatAnd, formatDuration, formatList } from '../core/format.js';
import { t } from '../core/i18n.js';
import { describeBulkResult, describeBulkWritten } from './bulk-texts.js';
import { describeCounts, jobCounts } from './counts.js';
import { elapsedSeconds, isAllRejected, isBulk, isUndo } from './job.js';
import { isChecking, lacksSku, needsColumns, outcomeOf } from './steps.js';
import { describeUndoState } from './undo-texts.js';

/** @import { Arguments } from '../core/i18n.js' */
/** @import { ImportDetail, ImportJob } from '../core/types.d.ts' */

/** @typedef {Arguments<'imports.headline.running'>[0]['phase']} Phase */
/** @typedef {Arguments<'imports.written.first'>[0]['name']} WrittenName what happened to products */

/** How long an import is in view before its headline explains that it waits for a worker. */
const WAITING_HINT_MS = 5_000;

/**
 * Return the headline of a job.
 * @param {ImportDetail} job
 * @param {number} [watchedMs] milliseconds since it came into view
 * @returns {string}
 */
export function jobHeadline(job, watchedMs = 0) {
  const { kind } = job;
  switch (job.status) {
    case 'pending':
      return watchedMs > WAITING_HINT_MS ? t('imports.headline.waiting_long') : t('imports.headline.waiting');
    case 'processing':
      return runningHeadline(job);
    case 'awaiting_confirmation':
      return t('imports.headline.to_confirm');
    case 'completed':
      return job.undo_state ? describeUndoState(job) : withDuration(describeResult(job), job);
    case 'failed':
      if (outcomeOf(job, 'check') === 'failed') return t('imports.headline.check_failed');
      if (!needsColumns(job)) return t('imports.headline.failed', { kind });
      return lacksSku(job) ? t('imports.headline.which_sku') : t('imports.headline.which_columns');
    case 'cancelled':
      return isExpired(job) ? t('imports.headline.expired') : t('imports.headline.cancelled', { kind });
    default:
      return '';
  }
}

/** @param {ImportDetail} job */
function runningHeadline(job) {
  if (job.phase === 'undoing') return t('imports.headline.undoing', { isBulk: isBulk(job) });
  if (isBulk(job) && job.phase === 'finding') return t('imports.headline.finding_selected');
  const phase = /** @type {Phase} */ (job.phase);
  return isChecking(job) ? t('imports.headline.checking', { phase }) : t('imports.headline.running', { phase });
}

/**
 * Return whether an import was cancelled because nobody confirmed it in time.
 * @param {ImportDetail} job
 */
export const isExpired = (job) =>
  job.status === 'cancelled' &&
  job.log.findLast(({ event }) => ['expired', 'cancelled', 'retried'].includes(event))?.event === 'expired';

/** @param {ImportDetail} job a completed job */
function describeResult(job) {
  if (isBulk(job)) return describeBulkResult(job);
  return isUndo(job) ? describeUndone(job) : describeImported(job);
}

/** @param {ImportDetail} job a completed import */
function describeImported(job) {
  const { total_records: total, missing_count: removed, options } = job;
  if (isAllRejected(job)) return t('imports.headline.all_rejected', { total });
  const count = countImported(job);
  const imported = t('imports.headline.imported', { isEvery: count >= total, count, total });
  if (options.missing === 'keep' || !removed) return imported;
  return formatList([imported, t('imports.headline.removed', { count: removed, action: options.missing })]);
}

/**
 * Return how many rows of a completed import counted. Duplicates, rejected rows, and those that the mode left out did
 * not.
 * @param {Pick<ImportJob, 'total_records' | 'rejected_count' | 'duplicate_count' | 'skipped_count'>} job
 */
const countImported = ({ total_records: total, rejected_count: rejected, duplicate_count: duplicate, ...job }) =>
  total - rejected - duplicate - job.skipped_count;

/**
 * Say beside the rejected rows of a completed import what has become of the other rows.
 * @param {ImportJob} job
 */
export const describeOtherImported = (job) => t('imports.reject.others.imported', { count: countImported(job) });

/**
 * Say in the history that every row of an import was rejected.
 * @param {Pick<ImportJob, 'status' | 'total_records'>} job
 */
export const describeAllRejected = ({ status, total_records: total }) =>
  t('imports.reject.all', { total, isCompleted: status === 'completed' });

/** @param {ImportDetail} job a completed undo */
const describeUndone = (job) =>
  describeCounts(jobCounts(job).filter(({ name, value }) => value || name === 'removed' || name === 'restored'));

/**
 * @param {string} result
 * @param {ImportJob} job
 */
function withDuration(result, job) {
  const seconds = job.duration_seconds ?? elapsedSeconds(job);
  if (seconds === null || isAllRejected(job)) return result;
  return t('imports.headline.with_duration', { result, duration: formatDuration(seconds) });
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
    if (!updated) return t('imports.written.nothing_changed');
    return describeStopped([
      ['removed', removed],
      ['restored', updated - removed],
    ]);
  }
  const { missing_count: missing, options } = job;
  if (!created && !updated && !missing) return t('imports.written.nothing');
  return describeStopped([
    ['created', created],
    ['updated', updated],
    [options.missing === 'delete' ? 'deleted' : 'deactivated', missing],
  ]);
}

/**
 * Say what happened to products, such as "1 product was created and 3 updated before it stopped. These changes stay."
 * @param {[name: WrittenName, count: number][]} counts at least one is not 0
 */
function describeStopped(counts) {
  const changes = counts
    .filter(([, count]) => count)
    .map(([name, count], index) =>
      index ? t('imports.written.next', { name, count }) : t('imports.written.first', { name, count }),
    );
  return t('imports.written.stopped', { changes: formatAnd(changes) });
}

/**
 * Describe where and by whom a job was started, such as "The page · 127.0.0.1".
 * @param {Pick<ImportJob, 'started_from' | 'started_by'>} job
 */
export const describeOrigin = ({ started_from: origin, started_by: author }) =>
  [t(`imports.details.origin.${origin}`), author].filter(Boolean).join(' · ');
