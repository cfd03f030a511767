// A bar chart of the rows per second of an import over time, with one colour for each phase.

import { drawText, gridLine, niceCeiling } from '../core/chart.js';
import { fill, h, setText } from '../core/dom.js';
import { formatClock, formatDuration } from '../core/format.js';
import { t } from '../core/i18n.js';
import { draw } from '../core/svg.js';
import { averageRates, mergeSamples, phaseSpans, rateBars } from './throughput.js';

/** @import { ImportDetail, RateSample } from '../core/types.d.ts' */
/** @import { RateBar } from './throughput.js' */
/** @import { Messages } from '../core/message-types.d.ts' */

/** @typedef {Messages['imports.progress.chart.bar']['phase']} Phase */

// Sizes in pixels. The plot is inside the margins TOP, BOTTOM and LEFT.
const HEIGHT = 150;
const TOP = 22;
const BOTTOM = 20;
const LEFT = 46;
const BAR_GAP = 2;
const MAX_BAR_WIDTH = 64;
const PHASE_LABEL_WIDTH = 70;
const LAST_PHASE_LABEL_WIDTH = 56;

const MAX_BARS = 60;
/** The speed of a shorter import would be meaningless. */
const MIN_SECONDS = 1;

/** @type {Record<string, string | undefined>} */
const PHASE_LABELS = {
  reading: t('imports.progress.chart.phase.reading'),
  reading_workbook: t('imports.progress.chart.phase.reading_workbook'),
  comparing: t('imports.progress.chart.phase.comparing'),
  finding: t('imports.progress.chart.phase.finding'),
  writing: t('imports.progress.chart.phase.writing'),
  undoing: t('imports.progress.chart.phase.undoing'),
};

/** @param {string} phase */
const phaseLabel = (phase) => PHASE_LABELS[phase] ?? phase;

/**
 * Create the chart. It is hidden until there is something to show.
 * @returns {{element: HTMLElement, show: (job: ImportDetail) => void, stop: () => void}}
 */
export function createThroughputChart() {
  const svg = draw('svg', { class: 'rows-chart', role: 'img', height: HEIGHT });
  const note = h('p', { class: 'rows-chart-note tabular', data: { testid: 'chart-note' } });
  const element = h(
    'figure',
    { class: 'card chart-card', data: { testid: 'rows-chart' } },
    h('figcaption', { class: 'chart-head' }, h('h2', { text: t('imports.progress.chart.title') }), note),
    svg,
  );
  /** @type {RateSample[]} */
  let samples = [];
  /** @type {number | null} */
  let run = null;

  const render = () => {
    const bars = rateBars(samples, MAX_BARS);
    const seconds = bars.at(-1)?.to ?? 0;
    element.hidden = seconds < MIN_SECONDS;
    const rates = averageRates(samples)
      .map(({ phase, rate }) => t('imports.progress.chart.rate', { phase: phaseLabel(phase), rate }))
      .join(' · ');
    setText(note, rates && t('imports.progress.chart.average', { rates }));
    const width = Math.floor(svg.getBoundingClientRect().width);
    if (!width) return;
    svg.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
    // Screen readers get the averages instead of the bars.
    svg.setAttribute('aria-label', t('imports.progress.chart.label', { rates, duration: formatDuration(seconds) }));
    fill(svg, drawChart(bars, seconds, width));
  };
  /** @param {ImportDetail} job */
  const show = (job) => {
    if (job.run !== run) samples = [];
    run = job.run;
    samples = mergeSamples(samples, job);
    render();
  };
  const resizeObserver = new ResizeObserver(render);
  resizeObserver.observe(element);
  element.hidden = true;
  return { element, show, stop: () => resizeObserver.disconnect() };
}

/**
 * @param {RateBar[]} bars
 * @param {number} seconds at the right end
 * @param {number} width in pixels
 */
function drawChart(bars, seconds, width) {
  const maxRate = niceCeiling(Math.max(...bars.map((bar) => bar.rate)));
  /** @param {number} second */
  const x = (second) => LEFT + (second / seconds) * (width - LEFT);
  /** @param {number} rate */
  const y = (rate) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - rate / maxRate);
  return [
    ...[0, maxRate / 2, maxRate].flatMap((rate) => gridLine(rate, y(rate), { left: LEFT, width })),
    ...bars.map((bar) => drawBar(bar, x, y)),
    ...phaseLabels(bars, x),
    drawText(formatClock(0), LEFT, HEIGHT - 4, 'start'),
    drawText(formatDuration(seconds), width, HEIGHT - 4, 'end'),
  ];
}

/**
 * @param {RateBar} bar
 * @param {(second: number) => number} x
 * @param {(rate: number) => number} y
 */
function drawBar(bar, x, y) {
  const rect = draw('rect', {
    class: `chart-bar chart-${bar.phase}`,
    x: x(bar.from) + BAR_GAP / 2,
    width: Math.max(1, Math.min(MAX_BAR_WIDTH, x(bar.to) - x(bar.from) - BAR_GAP)),
    y: y(bar.rate),
    height: Math.max(bar.rate ? 1 : 0, HEIGHT - BOTTOM - y(bar.rate)),
    rx: 1,
  });
  const title = draw('title');
  const phase = /** @type {Phase} */ (bar.phase);
  title.textContent = t('imports.progress.chart.bar', { time: formatClock(bar.from), rate: bar.rate, phase });
  rect.append(title);
  return rect;
}

/**
 * Label each phase where it begins. If there is no room for two labels, the longer phase has one.
 * @param {RateBar[]} bars
 * @param {(second: number) => number} x
 */
function phaseLabels(bars, x) {
  const maxX = x(bars.at(-1)?.to ?? 0) - LAST_PHASE_LABEL_WIDTH;
  /** @type {{phase: string, start: number, width: number}[]} */
  const labels = [];
  for (const { phase, from, to } of phaseSpans(bars)) {
    const label = { phase, start: Math.min(x(from) + BAR_GAP / 2, maxX), width: x(to) - x(from) };
    const previous = labels.at(-1);
    const hasRoom = !previous || label.start >= previous.start + PHASE_LABEL_WIDTH;
    if (!hasRoom && previous.width < label.width) labels.pop();
    if (hasRoom || labels.at(-1) !== previous) labels.push(label);
  }
  return labels.map(({ phase, start }) => drawText(phaseLabel(phase), start, 12, 'start', 'chart-phase'));
}
