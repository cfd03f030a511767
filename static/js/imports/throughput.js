// Rows per second of an import over time, from the samples that the server stores: about twice a second while it reads
// the file, then after each slice.

import { isRunning, rowsDone } from './job.js';

/** @import { ImportDetail, RateSample } from '../core/types.d.ts' */

const BAR_WIDTHS_SECONDS = [0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600];

/** Earlier versions stored no sample at the start of a run. If the first one is later than this, it is the start. */
const LATE_START_SECONDS = 3;

/** @typedef {{from: number, to: number, phase: string, rows: number}} Span Times are in seconds. */

/** @typedef {{from: number, to: number, phase: string, rate: number}} RateBar `rate` is in rows per second. */

/**
 * The fields of a job from which a sample is made.
 * @typedef {Pick<ImportDetail, 'status' | 'phase' | 'samples' | 'duration_seconds' | 'rows_read' | 'rows_compared' |
 *   'processed_records'>} MeasuredJob
 */

/** The phases that count rows. */
const MEASURED_PHASES = new Set(['reading', 'reading_workbook', 'comparing', 'writing', 'undoing']);

/**
 * Return the sample from which time and rows are counted.
 * @param {RateSample[]} samples
 * @returns {RateSample}
 */
function startSample(samples) {
  const [first] = samples;
  const isStart = first && (first.at > LATE_START_SECONDS || first.rows === 0 || first.phase !== 'reading');
  return isStart ? first : { at: 0, rows: 0, phase: first?.phase ?? '' };
}

/**
 * Return the rows that were done between each pair of neighbouring samples.
 *
 * Each phase counts its rows from 0. After a restart a sample may have fewer rows than the one before it. The time
 * between them then counts as no work.
 * @param {RateSample[]} samples oldest first
 * @returns {Span[]}
 */
function spansBetween(samples) {
  let previous = startSample(samples);
  return samples.flatMap((sample) => {
    const before = previous;
    previous = sample;
    if (sample.at <= before.at) return [];
    const rows = sample.rows - (before.phase === sample.phase ? before.rows : 0);
    return [{ from: before.at, to: sample.at, phase: sample.phase, rows: Math.max(0, rows) }];
  });
}

/**
 * Group samples into bars of equal width for a chart. A bar that covers two phases has the phase of its larger part.
 * @param {RateSample[]} samples oldest first
 * @param {number} maxBars
 * @returns {RateBar[]} `from` and `to` are seconds since the first bar began
 */
export function rateBars(samples, maxBars) {
  const start = startSample(samples).at;
  const spans = spansBetween(samples).map((span) => ({ ...span, from: span.from - start, to: span.to - start }));
  const last = spans.at(-1);
  if (!last) return [];
  const end = last.to;
  const width = BAR_WIDTHS_SECONDS.find((candidate) => end / candidate <= maxBars) ?? end / maxBars;
  return Array.from({ length: Math.max(1, Math.ceil(end / width)) }, (_, index) => {
    const from = index * width;
    const to = Math.min(end, from + width);
    const overlaps = spans
      .map((span) => ({ span, seconds: Math.min(to, span.to) - Math.max(from, span.from) }))
      .filter(({ seconds }) => seconds > 0);
    const rows = overlaps.reduce((sum, { span, seconds }) => sum + (span.rows * seconds) / (span.to - span.from), 0);
    const longest = overlaps.reduce((best, overlap) => (overlap.seconds > best.seconds ? overlap : best), {
      seconds: 0,
      span: last,
    });
    return { from, to, phase: longest.span.phase, rate: to > from ? rows / (to - from) : 0 };
  });
}

/**
 * Return when each phase of a chart begins and ends.
 * @param {RateBar[]} bars
 * @returns {{phase: string, from: number, to: number}[]}
 */
export function phaseSpans(bars) {
  /** @type {{phase: string, from: number, to: number}[]} */
  const spans = [];
  for (const { phase, from, to } of bars) {
    const last = spans.at(-1);
    if (last?.phase === phase) last.to = to;
    else spans.push({ phase, from, to });
  }
  return spans;
}

/**
 * Return the average rate of each phase that processed any rows, in the order of the phases.
 * @param {RateSample[]} samples oldest first
 * @returns {{phase: string, rate: number}[]} in rows per second
 */
export function averageRates(samples) {
  /** @type {Map<string, {rows: number, seconds: number}>} */
  const totals = new Map();
  for (const { phase, rows, from, to } of spansBetween(samples)) {
    const total = totals.get(phase) ?? { rows: 0, seconds: 0 };
    totals.set(phase, { rows: total.rows + rows, seconds: total.seconds + to - from });
  }
  return [...totals]
    .filter(([, total]) => total.rows > 0)
    .map(([phase, { rows, seconds }]) => ({ phase, rate: rows / seconds }));
}

/**
 * Merge the samples that the server has stored with those taken from the stream since.
 * @param {RateSample[]} known
 * @param {MeasuredJob} job
 * @returns {RateSample[]}
 */
export function mergeSamples(known, job) {
  const storedUntil = job.samples.at(-1)?.at;
  const knownUntil = known.at(-1)?.at ?? -1;
  const samples = storedUntil !== undefined && storedUntil >= knownUntil ? job.samples : known;
  const at = job.duration_seconds;
  const isNewer = at !== null && at > (samples.at(-1)?.at ?? -1);
  if (!isRunning(job) || !isNewer || !MEASURED_PHASES.has(job.phase)) return samples;
  return [...samples, { at, phase: job.phase, rows: rowsDone(job) }];
}
