// How a webhook is doing: numbers, a small chart of 24 hours, and what is wrong with it in a pill.

import { fill, h, setText } from './dom.js';
import { formatCount, formatDuration, formatNumber, parseTime } from './format.js';
import { icon } from './icons.js';

const SVG = 'http://www.w3.org/2000/svg';
const BAR = 5;
const GAP = 2;
const HEIGHT = 28;
// A single delivery is seen, too.
const SMALLEST = 2;

/**
 * A chart of the last 24 hours: what arrived upwards, requests that failed on top of it in another colour and pattern.
 * @returns {{element: HTMLElement, show: (health: object) => void}}
 */
export function healthChart() {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('class', 'health-chart');
  svg.setAttribute('role', 'img');
  let shown = '';
  const show = ({ hours }) => {
    const key = JSON.stringify(hours);
    if (key === shown) return;
    shown = key;
    svg.setAttribute('viewBox', `0 0 ${hours.length * (BAR + GAP) - GAP} ${HEIGHT}`);
    svg.setAttribute('aria-label', describe(hours));
    const highest = Math.max(1, ...hours.map((hour) => hour.delivered + hour.failed_attempts));
    const scaled = (count) => (count ? Math.max(SMALLEST, Math.round((count / highest) * (HEIGHT - 2))) : 0);
    svg.replaceChildren(...hours.flatMap((hour, index) => {
      const good = scaled(hour.delivered);
      const bad = Math.min(scaled(hour.failed_attempts), HEIGHT - good);
      const x = index * (BAR + GAP);
      return [
        good + bad ? null : bar('none', x, HEIGHT - 1, 1),
        good ? bar('good', x, HEIGHT - good, good) : null,
        bad ? bar('bad', x, HEIGHT - good - bad, bad) : null,
      ].filter(Boolean);
    }));
  };
  return { element: svg, show };
}

function bar(tone, x, y, height) {
  const rect = document.createElementNS(SVG, 'rect');
  for (const [name, value] of Object.entries({ class: `bar-${tone}`, x, y, width: BAR, height, rx: 1 })) rect.setAttribute(name, value);
  return rect;
}

function describe(hours) {
  const sum = (name) => hours.reduce((total, hour) => total + hour[name], 0);
  return `Last 24 hours: ${formatCount(sum('delivered'), 'delivery', 'deliveries')} arrived, ${formatCount(sum('failed_attempts'), 'request')} failed`;
}

/**
 * Delivered, pending and failed as three numbers with their words.
 * @returns {{element: HTMLElement, show: (health: object) => void}}
 */
export function healthNumbers() {
  const names = ['delivered', 'pending', 'failed'];
  const values = Object.fromEntries(names.map((name) => [name, h('dd', { class: 'tabular', data: { testid: `health-${name}` } })]));
  const element = h('dl', { class: 'health-numbers' },
    names.map((name) => h('div', { class: `health-number health-${name}` }, h('dt', { text: name }), values[name])));
  const show = (health) => {
    for (const name of names) {
      setText(values[name], formatNumber(health[name]));
      values[name].parentElement.classList.toggle('is-zero', !health[name]);
    }
  };
  return { element, show };
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
    fill(element, h('span', { class: `pill ${tone && `pill-${tone}`}`.trim(), title: webhook.disabled_reason },
      icon(webhook.enabled ? 'warning' : 'slash'), h('span', { text })));
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
