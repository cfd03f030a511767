// How a webhook is doing: numbers, a small chart of 24 hours, and what is wrong with it in a pill.

import { fill, h, setText } from '../core/dom.js';
import { formatCount, formatDuration, formatHour, formatNumber, parseTime } from '../core/format.js';
import { icon } from '../core/icons.js';
import { draw } from '../core/svg.js';

const BAR = 5;
const GAP = 2;
const UP = 18;
const DOWN = 11;
const LINE = 1;
// A single delivery is seen, too.
const SMALLEST = 2;

/**
 * A chart of the last 24 hours: above the line what arrived, below it requests that failed. Colour only supports that.
 * @returns {{element: HTMLElement, show: (health: object) => void}}
 */
export function healthChart() {
  const svg = draw('svg', { class: 'health-chart', role: 'img' });
  let shown = '';
  const show = ({ hours }) => {
    const key = JSON.stringify(hours);
    if (key === shown) return;
    shown = key;
    svg.setAttribute('viewBox', `0 0 ${hours.length * (BAR + GAP) - GAP} ${UP + LINE + DOWN}`);
    svg.setAttribute('aria-label', describe(hours));
    const highest = Math.max(1, ...hours.map((hour) => Math.max(hour.delivered, hour.failed_attempts)));
    svg.replaceChildren(...hours.flatMap((hour, index) => drawHour(hour, index * (BAR + GAP), highest)));
  };
  return { element: svg, show };
}

function drawHour(hour, x, highest) {
  const scaled = (count, height) => (count ? Math.max(SMALLEST, Math.round((count / highest) * height)) : 0);
  const good = scaled(hour.delivered, UP);
  const bad = scaled(hour.failed_attempts, DOWN);
  const about = draw('rect', { class: 'bar-about', x: x - GAP / 2, y: 0, width: BAR + GAP, height: UP + LINE + DOWN });
  const title = draw('title', {});
  const counts = `${formatNumber(hour.delivered)} delivered, ${formatCount(hour.failed_attempts, 'request')} failed`;
  title.textContent = `${formatHour(hour.hour)}: ${counts}`;
  about.append(title);
  return [
    good ? draw('rect', { class: 'bar-good', x, y: UP - good, width: BAR, height: good, rx: 1 }) : null,
    draw('rect', { class: 'bar-none', x, y: UP, width: BAR, height: LINE }),
    bad ? draw('rect', { class: 'bar-bad', x, y: UP + LINE, width: BAR, height: bad, rx: 1 }) : null,
    about,
  ].filter(Boolean);
}

function describe(hours) {
  const sum = (name) => hours.reduce((total, hour) => total + hour[name], 0);
  const delivered = formatCount(sum('delivered'), 'delivery', 'deliveries');
  return `Last 24 hours: ${delivered} arrived, ${formatCount(sum('failed_attempts'), 'request')} failed`;
}

/**
 * Delivered, pending and failed as three numbers with their words.
 * @returns {{element: HTMLElement, show: (health: object) => void}}
 */
export function healthNumbers() {
  const names = ['delivered', 'pending', 'failed'];
  const values = Object.fromEntries(
    names.map((name) => [name, h('dd', { class: 'tabular', data: { testid: `health-${name}` } })]),
  );
  const element = h(
    'dl',
    { class: 'health-numbers' },
    names.map((name) => h('div', { class: `health-number health-${name}` }, h('dt', { text: name }), values[name])),
  );
  const show = (health) => {
    for (const name of names) {
      setText(values[name], formatNumber(health[name]));
      values[name].parentElement.classList.toggle('is-zero', !health[name]);
    }
  };
  return { element, show };
}

/** @param {object} health @returns {string} the same in a line, without what is none */
export function describeHealth(health) {
  const parts = ['delivered', 'pending', 'failed']
    .filter((name) => health[name])
    .map((name) => `${formatNumber(health[name])} ${name}`);
  return parts.join(' · ') || 'Nothing sent in 24 hours';
}

/**
 * What is wrong with it, if anything.
 * @returns {{element: HTMLElement, show: (webhook: object) => void}}
 */
export function troublePill() {
  const element = h('span', { class: 'trouble', data: { testid: 'webhook-trouble' } });
  let shown = '';
  const show = (webhook) => {
    const text = describeTrouble(webhook);
    const tone = webhook.enabled ? 'warning' : webhook.disabled_reason ? 'danger' : '';
    if (shown === text + tone) return;
    shown = text + tone;
    element.hidden = !text;
    fill(
      element,
      h(
        'span',
        { class: `pill ${tone && `pill-${tone}`}`.trim() },
        icon(webhook.enabled ? 'warning' : 'slash'),
        h('span', { text }),
      ),
    );
  };
  return { element, show };
}

function describeTrouble({ enabled, disabled_reason: reason, failing_since: since }) {
  if (!enabled) return reason ? 'Switched off by itself' : 'Off';
  return since ? `Failing for ${formatDuration((Date.now() - parseTime(since)) / 1000)}` : '';
}

/** @param {string} eventType as the API has it @returns {string} short, for a cell */
export function describeEvents(eventType) {
  if (eventType.split(',').includes('*')) return 'All events';
  const [first, second, ...rest] = eventType.split(',');
  return [first, second].filter(Boolean).join(', ') + (rest.length ? ` +${rest.length}` : '');
}
