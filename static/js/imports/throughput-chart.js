// Rows per second over the time an import was worked on: bars, one colour for each phase, words for those who do not
// see them.

import { fill, h, setText } from '../core/dom.js';
import { formatClock, formatDuration, formatNumber } from '../core/format.js';
import { draw } from '../core/svg.js';
import { isRunning, rowsDone } from './job.js';
import { averageRates, rateBars } from './throughput.js';

const HEIGHT = 150;
const TOP = 22;
const BOTTOM = 20;
const LEFT = 46;
const GAP = 2;
const LARGEST_BAR = 64;
const MAX_BARS = 60;
// What took less says nothing about speed.
const SHORTEST_S = 1;
const WORDS = { reading: 'Reading', comparing: 'Comparing', writing: 'Writing', undoing: 'Taking back' };

/**
 * @returns {{element: HTMLElement, show: (job: object) => void, stop: () => void}}
 */
export function createThroughputChart() {
  const svg = draw('svg', { class: 'rows-chart', role: 'img', height: HEIGHT });
  const note = h('p', { class: 'rows-chart-note tabular', data: { testid: 'chart-note' } });
  const element = h(
    'figure',
    { class: 'card chart-card', data: { testid: 'rows-chart' } },
    h('figcaption', { class: 'chart-head' }, h('h2', { text: 'Rows per second' }), note),
    svg,
  );
  let samples = [];
  let run = null;

  const paint = () => {
    const bars = rateBars(samples, MAX_BARS);
    element.hidden = !bars.length || bars.at(-1).to < SHORTEST_S;
    const words = averageRates(samples)
      .map(({ phase, rate }) => `${WORDS[phase] ?? phase} ${formatNumber(rate)}/s`)
      .join(' · ');
    setText(note, words && `On average: ${words}`);
    const width = Math.floor(svg.getBoundingClientRect().width);
    if (!width) return;
    svg.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
    svg.setAttribute('aria-label', `Rows per second. On average: ${words}. ${formatDuration(bars.at(-1).to)} in all.`);
    fill(svg, drawChart(bars, width));
  };
  const show = (job) => {
    if (job.run !== run) samples = [];
    run = job.run;
    samples = joined(samples, job);
    paint();
  };
  const resized = new ResizeObserver(paint);
  resized.observe(element);
  element.hidden = true;
  return { element, show, stop: () => resized.disconnect() };
}

/** What the server has kept, and what the stream has told since. */
function joined(known, job) {
  const kept = job.samples ?? [];
  const last = known.at(-1)?.at ?? -1;
  const start = kept.length && kept.at(-1).at >= last ? kept : known;
  const at = job.duration_seconds;
  if (!isRunning(job) || typeof at !== 'number' || !WORDS[job.phase] || at <= (start.at(-1)?.at ?? -1)) return start;
  return [...start, { at, phase: job.phase, rows: rowsDone(job) }];
}

function drawChart(bars, width) {
  const end = bars.at(-1).to;
  const top = niceCeiling(Math.max(...bars.map((bar) => bar.rate)));
  const plotHeight = HEIGHT - TOP - BOTTOM;
  const x = (seconds) => LEFT + (seconds / end) * (width - LEFT);
  const y = (rate) => TOP + plotHeight * (1 - rate / top);
  const lines = [0, 0.5, 1].flatMap((share) => [
    draw('line', {
      class: share ? 'chart-grid' : 'chart-base',
      x1: LEFT,
      x2: width,
      y1: y(share * top),
      y2: y(share * top),
    }),
    label(compact(share * top), LEFT - 8, y(share * top) + 4, 'end'),
  ]);
  const shapes = bars.map((bar) => {
    const full = x(bar.to) - x(bar.from);
    const rect = draw('rect', {
      class: `chart-bar chart-${bar.phase}`,
      x: x(bar.from) + GAP / 2,
      width: Math.max(1, Math.min(LARGEST_BAR, full - GAP)),
      y: y(bar.rate),
      height: Math.max(bar.rate ? 1 : 0, HEIGHT - BOTTOM - y(bar.rate)),
      rx: 1,
    });
    const title = draw('title', {});
    const phase = (WORDS[bar.phase] ?? bar.phase).toLowerCase();
    title.textContent = `${formatClock(bar.from)}: ${formatNumber(bar.rate)} rows/s, ${phase}`;
    rect.append(title);
    return rect;
  });
  return [
    ...lines,
    ...shapes,
    ...phaseLabels(bars, x),
    label('0:00', LEFT, HEIGHT - 4, 'start'),
    label(formatDuration(end), width, HEIGHT - 4, 'end'),
  ];
}

/** The name of a phase where it begins, unless there is no room for it. */
function phaseLabels(bars, x) {
  let free = 0;
  return bars
    .filter((bar, index) => bar.phase !== bars[index - 1]?.phase)
    .flatMap((bar) => {
      const start = x(bar.from) + GAP / 2;
      if (start < free) return [];
      free = start + 70;
      return [
        label(WORDS[bar.phase] ?? bar.phase, Math.min(start, x(bars.at(-1).to) - 56), 12, 'start', 'chart-phase'),
      ];
    });
}

function label(text, x, y, anchor, look = 'chart-label') {
  const element = draw('text', { class: look, x, y, 'text-anchor': anchor });
  element.textContent = text;
  return element;
}

function niceCeiling(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return [1, 2, 4, 5, 8, 10].map((step) => step * power).find((candidate) => candidate >= value) ?? 10 * power;
}

const compact = (value) =>
  value >= 1_000_000 ? `${value / 1_000_000}M` : value >= 1000 ? `${value / 1000}k` : formatNumber(value);
