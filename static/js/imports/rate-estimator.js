// Estimate rows per second and the time left. The estimates use the timestamps of the job (updated_at), so they do not
// depend on when events arrive.

import { parseTime } from '../core/format.js';
import { rowsDone } from './job.js';

/** @import { ImportJob } from '../core/types.d.ts' */

/** Speed: rows per second over the last seconds. */
const SPEED_WINDOW_MS = 5_000;
const SPEED_MIN_SPAN_MS = 700;
/** Pace: percent per millisecond, over a longer window, because the time left should not jump. */
const PACE_WINDOW_MS = 20_000;
const PACE_MIN_SPAN_MS = 2_500;
const MIN_ELAPSED_MS = 1_500;
const MIN_PERCENT = 3;

/** @typedef {{time: number, phase: string, rows: number, percent: number}} Observation `time` is in milliseconds. */

/**
 * The fields of a job that the estimates need.
 * @typedef {Pick<ImportJob, 'updated_at' | 'started_at' | 'phase' | 'progress' | 'rows_read' | 'rows_written' |
 *   'processed_records'>} ObservedJob
 */

/**
 * Create an estimator for one run of a job. Both estimates are null while there is too little data.
 * @returns {{add: (job: ObservedJob) => void, rowsPerSecond: () => number|null, secondsLeft: () => number|null}}
 */
export function createRateEstimator() {
  /** @type {Observation[]} */
  let observations = [];
  let startMs = NaN;

  /** @param {ObservedJob} job */
  const add = (job) => {
    const time = parseTime(job.updated_at);
    if (Number.isNaN(time)) return;
    startMs = parseTime(job.started_at);
    const last = observations.at(-1);
    if (last && time <= last.time) return;
    observations.push({ time, phase: job.phase, rows: rowsDone(job), percent: job.progress });
    observations = observations.filter((earlier) => time - earlier.time <= PACE_WINDOW_MS);
  };

  const rowsPerSecond = () => {
    const last = observations.at(-1);
    if (!last) return null;
    const first =
      observations.find(({ phase, time }) => phase === last.phase && last.time - time <= SPEED_WINDOW_MS) ?? last;
    const spanMs = last.time - first.time;
    if (spanMs >= SPEED_MIN_SPAN_MS) return Math.max(0, ((last.rows - first.rows) * 1000) / spanMs);
    // Not enough observations yet. Reading starts with the job, so its average since then is a fair estimate.
    const elapsedMs = last.time - startMs;
    return last.phase === 'reading' && elapsedMs >= SPEED_MIN_SPAN_MS ? (last.rows * 1000) / elapsedMs : null;
  };

  const secondsLeft = () => {
    const [first] = observations;
    const last = observations.at(-1);
    if (!first || !last || last.percent < MIN_PERCENT) return null;
    const elapsedMs = last.time - startMs;
    // The comparison is also false if the start is unknown (NaN).
    if (!(elapsedMs >= MIN_ELAPSED_MS)) return null;
    let pace = last.percent / elapsedMs;
    const spanMs = last.time - first.time;
    // The mean of both: the recent pace follows changes, and the overall pace keeps the estimate stable.
    if (spanMs >= PACE_MIN_SPAN_MS) pace = (pace + (last.percent - first.percent) / spanMs) / 2;
    return pace > 0 ? (100 - last.percent) / pace / 1000 : null;
  };

  return { add, rowsPerSecond, secondsLeft };
}
