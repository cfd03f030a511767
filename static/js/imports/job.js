// What a job's fields mean, and which of two versions of a job is the newer one.

import { formatNumber, parseTime } from '../core/format.js';

const FINAL = new Set(['completed', 'failed', 'cancelled']);

const PHASE_WORDS = {
  queued: 'Waiting',
  reading: 'Reading',
  comparing: 'Comparing',
  writing: 'Writing',
  undoing: 'Undoing',
  finished: 'Finishing',
};

/** @param {object} job @returns {boolean} true when nothing will change any more */
export const isFinal = (job) => FINAL.has(job.status);

/** @param {object} job @returns {boolean} true while a worker has, or will have, something to do */
export const isRunning = (job) => job.status === 'pending' || job.status === 'processing';

/** @param {object} job @returns {boolean} true when it takes back what another one wrote */
export const isUndo = (job) => job.kind === 'undo';

/** @param {object} job @returns {string} what it is called in lists and headings */
export const nameOf = (job) => (isUndo(job) ? `Undo of ${job.filename}` : job.filename);

/** @param {string|null} iso a time the server gave @returns {boolean} whether it is still to come */
export const isAhead = (iso) => parseTime(iso) > Date.now();

/** @param {object} job @returns {boolean} whether it can be started again with the file it has */
export const canRetry = (job) => (job.status === 'failed' || job.status === 'cancelled') && isAhead(job.retry_until);

/** @param {object} job @returns {number} rows done in the phase it is in */
export function rowsDone(job) {
  if (job.phase === 'reading') return job.rows_read ?? 0;
  return Math.max(job.rows_written ?? 0, job.processed_records ?? 0);
}

/** @param {object} job @returns {{word: string, icon: string, tone: string}} how its state is shown */
export function describeStatus(job) {
  switch (job.status) {
    case 'pending':
      return { word: 'Waiting', icon: 'clock', tone: 'neutral' };
    case 'processing':
      return { word: PHASE_WORDS[job.phase] ?? 'Running', icon: 'arc', tone: 'running' };
    case 'awaiting_confirmation':
      return { word: 'To confirm', icon: 'pause', tone: 'warning' };
    case 'completed':
      return { word: 'Completed', icon: 'check', tone: 'success' };
    case 'failed':
      return { word: 'Failed', icon: 'cross', tone: 'danger' };
    case 'cancelled':
      return { word: 'Cancelled', icon: 'slash', tone: 'neutral' };
    default:
      return { word: String(job.status), icon: 'clock', tone: 'neutral' };
  }
}

/**
 * Joins what is known with what has just arrived. Streams reconnect and polls overtake each other, so an older
 * version may come last; it must not move anything back.
 * @param {object|null} known
 * @param {object} arrived
 * @returns {object} `known` itself when the arrival is older
 */
export function mergeJob(known, arrived) {
  if (!known) return arrived;
  // A retry begins again at 0, whatever the numbers of the run before it were.
  const runs = (arrived.run ?? 0) - (known.run ?? 0);
  if (runs) return runs > 0 ? arrived : known;
  const older = parseTime(arrived.updated_at) < parseTime(known.updated_at);
  const newer = parseTime(arrived.updated_at) > parseTime(known.updated_at);
  // Only a job that was started anew leaves a final state.
  if (isFinal(known)) return newer || (isFinal(arrived) && !older) ? arrived : known;
  // Clocks of two machines may differ; what is further on is newer, whatever they say.
  const further = isFinal(arrived) || (arrived.progress ?? 0) > (known.progress ?? 0);
  if (older && !further) return known;
  return {
    ...arrived,
    progress: Math.max(known.progress ?? 0, arrived.progress ?? 0),
    processed_records: Math.max(known.processed_records ?? 0, arrived.processed_records ?? 0),
  };
}

/**
 * How far the job is, in rows.
 * @param {object} job
 * @returns {[string, string]|null} a label and its value
 */
export function describeRows(job) {
  const total = job.total_records ?? 0;
  const processed = Math.max(job.processed_records ?? 0, job.rows_written ?? 0);
  if (isUndo(job)) {
    return total
      ? [
          'Products',
          job.status === 'completed' ? formatNumber(total) : `${formatNumber(processed)} of ${formatNumber(total)}`,
        ]
      : null;
  }
  const read = job.rows_read ?? 0;
  if (job.status === 'completed') return ['Rows', formatNumber(total)];
  if (processed > 0 || job.phase === 'writing') {
    return ['Rows processed', `${formatNumber(processed)} of ${formatNumber(total)}`];
  }
  if (!read) return null;
  // The total is an estimate until the file has been read; an estimate that was overtaken helps nobody.
  return [
    'Rows read',
    total > read && !isFinal(job) ? `${formatNumber(read)} of about ${formatNumber(total)}` : formatNumber(read),
  ];
}

/**
 * Seconds a job ran, or has run so far.
 * @param {object} job
 * @param {number} [sinceArrivalMs] how long ago its last version arrived; the server's clock is never compared with
 *   ours
 * @returns {number|null} null when it has not started
 */
export function elapsedSeconds(job, sinceArrivalMs = 0) {
  const start = parseTime(job.started_at);
  if (Number.isNaN(start)) return null;
  if (job.finished_at) return Math.max(0, (parseTime(job.finished_at) - start) / 1000);
  return Math.max(0, (parseTime(job.updated_at) - start + sinceArrivalMs) / 1000);
}
