// A chart of the requests of a webhook by hours: deliveries that arrived and requests that failed as bars, the median
// and the 95th percentile of the response times as lines. A table has the same numbers.

import { getJson, messageOf } from '../core/api.js';
import { drawText, gridLine, niceCeiling } from '../core/chart.js';
import { fill, h, setText } from '../core/dom.js';
import { formatDuration, formatHour, formatNumber } from '../core/format.js';
import { t } from '../core/i18n.js';
import { setQuery } from '../core/router.js';
import { draw } from '../core/svg.js';
import { addressOf } from './actions.js';

/** @import { ResponseHour, ResponseHours } from '../core/types.d.ts' */

// Sizes in pixels.
const LEFT = 46;
const RIGHT = 4;
const TOP = 8;
const BARS_HEIGHT = 84;
const BETWEEN = 26;
const TIMES_HEIGHT = 64;
const BOTTOM = 20;
const TIMES_TOP = TOP + BARS_HEIGHT + BETWEEN;
const HEIGHT = TIMES_TOP + TIMES_HEIGHT + BOTTOM;
const MAX_BAR_WIDTH = 28;
const DOT = 2.5;
const LABEL_WIDTH = 104;
const MS_PER_SECOND = 1000;

const PERIODS = [
  { hours: 24, label: t('webhooks.period.hours', { count: 24 }) },
  { hours: 168, label: t('webhooks.period.days', { count: 7 }) },
];

/** @typedef {'median_ms' | 'p95_ms'} Percentile */

/**
 * Read the period of an address.
 * @param {URLSearchParams} query
 * @returns {number} hours
 */
export const readPeriod = (query) =>
  PERIODS.find(({ hours }) => String(hours) === query.get('hours'))?.hours ?? PERIODS[0]?.hours ?? 24;

/**
 * Create the chart of a webhook.
 * @param {number} webhookId
 * @returns {{element: HTMLElement, load: (hours: number) => Promise<void>, stop: () => void}}
 */
export function hoursChart(webhookId) {
  const svg = draw('svg', {
    class: 'hours-chart',
    role: 'img',
    height: HEIGHT,
    'aria-label': t('webhooks.chart.title'),
  });
  const note = h('p', { class: 'rows-chart-note tabular', role: 'status', data: { testid: 'hours-note' } });
  const links = PERIODS.map(({ hours, label }, index) =>
    h('a', {
      class: 'filter-tab',
      href: '#',
      text: label,
      data: { testid: `hours-${hours}` },
      on: {
        click: (event) => {
          event.preventDefault();
          setQuery({ hours: index ? hours : undefined });
        },
      },
    }),
  );
  const rows = h('tbody');
  const table = h(
    'details',
    { class: 'hours-table is-empty', data: { testid: 'hours-table' } },
    h('summary', { text: t('webhooks.chart.as_table') }),
    hoursTable(rows),
  );
  const legend = h(
    'p',
    { class: 'chart-legend', 'aria-hidden': 'true' },
    ...[
      ['good', t('webhooks.status.delivered')],
      ['bad', t('webhooks.chart.failed_requests')],
      ['median', t('webhooks.chart.median')],
      ['p95', t('webhooks.chart.p95')],
    ].map(([name, text]) => h('span', { class: `legend legend-${name}`, text })),
  );
  const body = h('div', { class: 'hours-body' }, legend, svg, table);
  const element = h(
    'figure',
    { class: 'card chart-card', data: { testid: 'hours-chart' } },
    h(
      'figcaption',
      { class: 'chart-head' },
      h('h2', { text: t('webhooks.chart.title') }),
      h('nav', { class: 'filter-tabs', 'aria-label': t('webhooks.chart.period') }, links),
    ),
    note,
    body,
  );
  /** @type {ResponseHour[]} */
  let shown = [];
  /** @type {AbortController | null} */
  let request = null;

  function render() {
    const width = Math.floor(svg.getBoundingClientRect().width);
    if (width && shown.length) {
      svg.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
      fill(svg, drawBars(shown, width), drawTimes(shown, width), hourLabels(shown, width), drawTitles(shown, width));
    }
  }
  /** @param {ResponseHour[]} hours */
  function show(hours) {
    shown = hours;
    const text = describe(hours);
    setText(note, text);
    svg.setAttribute('aria-label', t('webhooks.chart.label', { summary: text }));
    table.classList.toggle('is-empty', !hours.some(isUsed));
    fill(rows, hours.filter(isUsed).toReversed().map(tableRow));
    render();
  }
  /** @param {number} hours */
  async function load(hours) {
    links.forEach((link, index) => {
      if (PERIODS[index]?.hours === hours) link.setAttribute('aria-current', 'true');
      else link.removeAttribute('aria-current');
    });
    request?.abort();
    request = new AbortController();
    const { signal } = request;
    try {
      /** @type {ResponseHours} */
      const answer = await getJson(`${addressOf(webhookId)}/hours`, { query: { hours }, signal });
      show(answer.hours);
    } catch (error) {
      // Without the server, the page says so at its top. The last numbers stay.
      if (signal.aborted || shown.length) return;
      setText(note, t('webhooks.chart.not_loaded', { reason: messageOf(error) }));
    }
  }
  const resizeObserver = new ResizeObserver(render);
  resizeObserver.observe(element);
  return {
    element,
    load,
    stop: () => {
      request?.abort();
      resizeObserver.disconnect();
    },
  };
}

/** @param {ResponseHour} hour */
const isUsed = (hour) => hour.delivered + hour.failed + hour.failed_attempts + hour.requests > 0;

/**
 * @param {ResponseHour[]} hours
 * @returns {string} a summary for everybody
 */
export function describe(hours) {
  const days = Math.max(1, Math.round(hours.length / 24));
  /** @param {'delivered' | 'failed_attempts'} name */
  const sum = (name) => hours.reduce((total, hour) => total + hour[name], 0);
  const [delivered, failed] = [sum('delivered'), sum('failed_attempts')];
  if (!delivered && !failed) return t('webhooks.chart.nothing', { days });
  return t('webhooks.chart.summary', { delivered, failed, days });
}

/** @param {number} ms */
const formatMs = (ms) => (ms ? formatDuration(ms / MS_PER_SECOND) : '0');

/**
 * @param {number} count of hours
 * @param {number} width in pixels
 */
const slotOf = (count, width) => (width - LEFT - RIGHT) / count;

/**
 * @param {ResponseHour[]} hours
 * @param {number} width
 */
function drawBars(hours, width) {
  const highest = niceCeiling(Math.max(1, ...hours.map((hour) => hour.delivered + hour.failed_attempts)));
  const slot = slotOf(hours.length, width);
  const barWidth = Math.max(1, Math.min(MAX_BAR_WIDTH, slot - Math.min(2, slot / 4)));
  const base = TOP + BARS_HEIGHT;
  /** @param {number} count */
  const scaled = (count) => (count ? Math.max(1, (count / highest) * BARS_HEIGHT) : 0);
  const bars = hours.flatMap((hour, index) => {
    const x = LEFT + slot * (index + 0.5) - barWidth / 2;
    const good = scaled(hour.delivered);
    const bad = scaled(hour.failed_attempts);
    return [
      good ? draw('rect', { class: 'bar-good', x, y: base - good, width: barWidth, height: good }) : null,
      bad ? draw('rect', { class: 'bar-bad', x, y: base - good - bad, width: barWidth, height: bad }) : null,
    ];
  });
  const marks = highest > 1 ? [0, highest / 2, highest] : [0, 1];
  const lines = marks.flatMap((value) =>
    gridLine(value, base - (value / highest) * BARS_HEIGHT, { left: LEFT, width }),
  );
  return [...lines, ...bars];
}

/**
 * @param {ResponseHour[]} hours
 * @param {number} width
 */
function drawTimes(hours, width) {
  const highest = niceCeiling(Math.max(1, ...hours.map((hour) => hour.p95_ms ?? 0)));
  const base = TIMES_TOP + TIMES_HEIGHT;
  /** @param {number} ms */
  const y = (ms) => base - (ms / highest) * TIMES_HEIGHT;
  const slot = slotOf(hours.length, width);
  /** @param {Percentile} name */
  const line = (name) => {
    const points = hours.map((hour, index) => ({ x: LEFT + slot * (index + 0.5), ms: hour[name] }));
    return splitRuns(points).flatMap((run) => [
      run.length > 1
        ? draw('polyline', {
            class: `chart-line line-${name}`,
            points: run.map(({ x, ms }) => `${x.toFixed(1)},${y(ms).toFixed(1)}`).join(' '),
          })
        : null,
      // A line needs two points. A single hour is a dot.
      ...run
        .filter(() => run.length === 1)
        .map(({ x, ms }) => draw('circle', { class: `chart-dot dot-${name}`, cx: x, cy: y(ms), r: DOT })),
    ]);
  };
  const marks = [0, highest].flatMap((value) => gridLine(value, y(value), { left: LEFT, width, format: formatMs }));
  return [...marks, ...line('p95_ms'), ...line('median_ms')];
}

/**
 * Split points into runs without a gap.
 * @param {{x: number, ms: number | null}[]} points
 * @returns {{x: number, ms: number}[][]}
 */
export function splitRuns(points) {
  /** @type {{x: number, ms: number}[][]} */
  const runs = [];
  let isOpen = false;
  for (const { x, ms } of points) {
    if (ms === null) {
      isOpen = false;
      continue;
    }
    if (!isOpen) runs.push([]);
    isOpen = true;
    runs.at(-1)?.push({ x, ms });
  }
  return runs;
}

/**
 * @param {ResponseHour[]} hours
 * @param {number} width
 */
function hourLabels(hours, width) {
  const slot = slotOf(hours.length, width);
  const every = Math.max(1, Math.ceil(LABEL_WIDTH / slot));
  const count = Math.max(2, Math.floor(hours.length / every));
  const last = hours.length - 1;
  return Array.from({ length: count }, (_, number) => Math.round((number * last) / (count - 1))).map((index) => {
    const anchor = index === 0 ? 'start' : index === last ? 'end' : 'middle';
    const x = index === 0 ? LEFT : index === last ? width : LEFT + slot * (index + 0.5);
    return drawText(formatHour(hours[index]?.hour ?? ''), x, HEIGHT - 4, anchor);
  });
}

/**
 * Draw invisible areas that show the numbers of an hour under the pointer.
 * @param {ResponseHour[]} hours
 * @param {number} width
 */
function drawTitles(hours, width) {
  const slot = slotOf(hours.length, width);
  return hours.map((hour, index) => {
    const area = draw('rect', {
      class: 'bar-about',
      x: LEFT + slot * index,
      y: 0,
      width: slot,
      height: HEIGHT - BOTTOM,
    });
    const title = draw('title');
    const counts = {
      hour: formatHour(hour.hour),
      delivered: hour.delivered,
      failed: hour.failed_attempts,
    };
    title.textContent =
      hour.median_ms === null || hour.p95_ms === null
        ? t('webhooks.health.hour', counts)
        : t('webhooks.chart.hour', { ...counts, median: formatMs(hour.median_ms), p95: formatMs(hour.p95_ms) });
    area.append(title);
    return area;
  });
}

/** @param {HTMLElement} rows */
function hoursTable(rows) {
  const heads = [
    t('webhooks.status.delivered'),
    t('webhooks.chart.failed_requests'),
    t('webhooks.chart.failed_for_good'),
    t('webhooks.chart.median_head'),
    t('webhooks.chart.p95_head'),
  ];
  return h(
    'div',
    { class: 'table-scroll panel-scroll', tabindex: '0', role: 'region', 'aria-label': t('webhooks.chart.table') },
    h(
      'table',
      { class: 'table table-hours' },
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          h('th', { scope: 'col', text: t('webhooks.chart.hour_head') }),
          heads.map((text) => h('th', { scope: 'col', class: 'number', text })),
        ),
      ),
      rows,
    ),
  );
}

/** @param {ResponseHour} hour */
function tableRow(hour) {
  /** @param {number | null} ms */
  const time = (ms) => h('td', { class: 'number', text: ms === null ? '–' : formatMs(ms) });
  return h(
    'tr',
    {},
    h('th', { scope: 'row', text: formatHour(hour.hour) }),
    [hour.delivered, hour.failed_attempts, hour.failed].map((count) =>
      h('td', { class: 'number', text: formatNumber(count) }),
    ),
    time(hour.median_ms),
    time(hour.p95_ms),
  );
}
