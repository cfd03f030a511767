// The numbers of a run that change every second: the elapsed time and the time left. The server computes them for each
// version of a job. The page only counts on from there, and not for long without news.

import { pageNow } from '../core/server-clock.js';
import { isFinal } from './job.js';

/** @import { ImportJob } from '../core/types.d.ts' */

/** A worker reports its progress more often, except during a long statement. A silent worker may have stopped. */
const MAX_SILENCE_SECONDS = 60;

/**
 * The fields of a job that the numbers need.
 * @typedef {Pick<ImportJob, 'status' | 'duration_seconds' | 'seconds_left' | 'seconds_since_update'>} CountedJob
 */

/**
 * Create the counter of a job.
 * @param {CountedJob} job
 * @returns {{accept: (job: CountedJob) => void, elapsedSeconds: () => number | null,
 *   secondsLeft: () => number | null}} the numbers are null if they are unknown
 */
export function createProgressCounter(job) {
  let latest = job;
  let arrivedAt = pageNow();
  /** @param {CountedJob} next */
  const accept = (next) => {
    latest = next;
    arrivedAt = pageNow();
  };
  const age = () => (latest.seconds_since_update ?? 0) + Math.max(0, pageNow() - arrivedAt) / 1000;
  const elapsedSeconds = () => {
    if (latest.duration_seconds === null) return null;
    return latest.duration_seconds + (latest.status === 'processing' ? age() : 0);
  };
  const secondsLeft = () => {
    if (isFinal(latest) || latest.seconds_left === null) return null;
    return Math.max(0, latest.seconds_left - Math.min(age(), MAX_SILENCE_SECONDS));
  };
  return { accept, elapsedSeconds, secondsLeft };
}
