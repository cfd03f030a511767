// From samples (rows done in a phase after so many seconds) to rows per second.

const WIDTHS_S = [0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600];

// Samples come about twice a second. One that begins later goes on where an earlier run was cut off.
const LATE_S = 3;

/** @typedef {{at: number, phase: string, rows: number}} Sample */

const originOf = (samples) => (samples[0]?.at > LATE_S ? samples[0] : { at: 0, rows: 0, phase: samples[0]?.phase });

/** What was done between neighbours of one phase; after a restart the rows may be fewer, which is no work done. */
function spans(samples) {
  let previous = originOf(samples);
  return samples.flatMap((sample) => {
    const before = previous;
    previous = sample;
    const rows = sample.rows - (before.phase === sample.phase ? before.rows : 0);
    return sample.at > before.at
      ? [{ from: before.at, to: sample.at, phase: sample.phase, rows: Math.max(0, rows) }]
      : [];
  });
}

/**
 * @param {Sample[]} samples oldest first
 * @param {number} limit of the bars
 * @returns {{from: number, to: number, phase: string, rate: number}[]} bars of one width, in seconds
 */
export function buckets(samples, limit) {
  const start = originOf(samples).at;
  const all = spans(samples).map((span) => ({ ...span, from: span.from - start, to: span.to - start }));
  if (!all.length) return [];
  const end = all.at(-1).to;
  const width = WIDTHS_S.find((candidate) => end / candidate <= limit) ?? end / limit;
  return Array.from({ length: Math.max(1, Math.ceil(end / width)) }, (_, index) => {
    const from = index * width;
    const to = Math.min(end, from + width);
    const inside = all
      .map((span) => ({ span, seconds: Math.min(to, span.to) - Math.max(from, span.from) }))
      .filter(({ seconds }) => seconds > 0);
    const rows = inside.reduce((sum, { span, seconds }) => sum + (span.rows * seconds) / (span.to - span.from), 0);
    const longest = inside.reduce((best, one) => (one.seconds > best.seconds ? one : best), {
      seconds: 0,
      span: all.at(-1),
    });
    return { from, to, phase: longest.span.phase, rate: to > from ? rows / (to - from) : 0 };
  });
}

/** @param {Sample[]} samples @returns {{phase: string, rate: number}[]} each phase as a whole */
export function averages(samples) {
  const sums = new Map();
  for (const { phase, rows, from, to } of spans(samples)) {
    const sum = sums.get(phase) ?? { rows: 0, seconds: 0 };
    sums.set(phase, { rows: sum.rows + rows, seconds: sum.seconds + to - from });
  }
  return [...sums]
    .filter(([, sum]) => sum.rows > 0)
    .map(([phase, { rows, seconds }]) => ({ phase, rate: rows / seconds }));
}
