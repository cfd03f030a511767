// Rows per second and time left, from the job's own clock (updated_at): events that arrive late or in a bunch change
// nothing.

import { parseTime } from '../core/format.js';
import { rowsDone } from './job.js';

const SPEED_WINDOW_MS = 5_000;
const SPEED_MIN_SPAN_MS = 700;
const PACE_WINDOW_MS = 20_000;
const PACE_MIN_SPAN_MS = 2_500;
const MIN_ELAPSED_MS = 1_500;
const MIN_PERCENT = 3;

/** @returns {{add: (job: object) => void, rowsPerSecond: () => number|null, secondsLeft: () => number|null}} */
export function createRate() {
  let samples = [];
  let startMs = NaN;

  const add = (job) => {
    const time = parseTime(job.updated_at);
    if (Number.isNaN(time)) return;
    startMs = parseTime(job.started_at);
    const last = samples.at(-1);
    if (last && time <= last.time) return;
    samples.push({ time, phase: job.phase, rows: rowsDone(job), percent: job.progress ?? 0 });
    samples = samples.filter((sample) => time - sample.time <= PACE_WINDOW_MS);
  };

  const rowsPerSecond = () => {
    const last = samples.at(-1);
    if (!last) return null;
    const samePhase = samples.filter((sample) => sample.phase === last.phase);
    const first = samePhase.find((sample) => last.time - sample.time <= SPEED_WINDOW_MS);
    const span = last.time - first.time;
    if (span >= SPEED_MIN_SPAN_MS) return Math.max(0, ((last.rows - first.rows) * 1000) / span);
    // Too few samples yet. Reading began with the job, so its whole span is a fair guess.
    const whole = last.time - startMs;
    return last.phase === 'reading' && whole >= SPEED_MIN_SPAN_MS ? (last.rows * 1000) / whole : null;
  };

  const secondsLeft = () => {
    const last = samples.at(-1);
    const elapsed = last ? last.time - startMs : 0;
    if (!last || last.percent < MIN_PERCENT || !(elapsed >= MIN_ELAPSED_MS)) return null;
    let pace = last.percent / elapsed;
    const span = last.time - samples[0].time;
    // The recent pace follows changes, the overall pace keeps the figure calm.
    if (span >= PACE_MIN_SPAN_MS) pace = (pace + (last.percent - samples[0].percent) / span) / 2;
    return pace > 0 ? (100 - last.percent) / pace / 1000 : null;
  };

  return { add, rowsPerSecond, secondsLeft };
}
