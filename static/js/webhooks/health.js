// The health of a webhook: numbers and a small chart of the last 24 hours.

import { h, setText } from '../core/dom.js';
import { formatHour, formatNumber } from '../core/format.js';
import { t } from '../core/i18n.js';
import { draw } from '../core/svg.js';

/** @import { WebhookHealth, WebhookHour } from '../core/types.d.ts' */

/** @typedef {'delivered' | 'pending' | 'failed'} CountName */

/** @type {CountName[]} */
const COUNT_NAMES = ['delivered', 'pending', 'failed'];

// Sizes in the units of the SVG.
const BAR = 5;
const GAP = 2;
const UP = 18;
const DOWN = 11;
const LINE = 1;
// The height of the lowest bar, so that a single delivery is visible.
const SMALLEST = 2;

/**
 * Create a chart of the last 24 hours: successful deliveries above the line, failed requests below it.
 * @returns {{element: SVGElement, show: (health: WebhookHealth) => void}}
 */
export function healthChart() {
  const svg = draw('svg', { class: 'health-chart', role: 'img' });
  let shown = '';
  /** @param {WebhookHealth} health */
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

/**
 * @param {WebhookHour} hour
 * @param {number} x
 * @param {number} highest count of the chart
 * @returns {SVGElement[]}
 */
function drawHour(hour, x, highest) {
  /**
   * @param {number} count
   * @param {number} height
   */
  const scaled = (count, height) => (count ? Math.max(SMALLEST, Math.round((count / highest) * height)) : 0);
  const good = scaled(hour.delivered, UP);
  const bad = scaled(hour.failed_attempts, DOWN);
  const about = draw('rect', { class: 'bar-about', x: x - GAP / 2, y: 0, width: BAR + GAP, height: UP + LINE + DOWN });
  const title = draw('title', {});
  title.textContent = t('webhooks.health.hour', {
    hour: formatHour(hour.hour),
    delivered: hour.delivered,
    failed: hour.failed_attempts,
  });
  about.append(title);
  return [
    good ? draw('rect', { class: 'bar-good', x, y: UP - good, width: BAR, height: good, rx: 1 }) : null,
    draw('rect', { class: 'bar-none', x, y: UP, width: BAR, height: LINE }),
    bad ? draw('rect', { class: 'bar-bad', x, y: UP + LINE, width: BAR, height: bad, rx: 1 }) : null,
    about,
  ].filter((shape) => shape !== null);
}

/** @param {WebhookHour[]} hours */
function describe(hours) {
  /** @param {'delivered' | 'failed_attempts'} name */
  const sum = (name) => hours.reduce((total, hour) => total + hour[name], 0);
  return t('webhooks.health.day', { delivered: sum('delivered'), failed: sum('failed_attempts') });
}

/**
 * Create three labelled numbers: delivered, pending and failed.
 * @returns {{element: HTMLElement, show: (health: WebhookHealth) => void}}
 */
export function healthNumbers() {
  const numbers = COUNT_NAMES.map((name) => {
    const value = h('dd', { class: 'tabular', data: { testid: `health-${name}` } });
    const number = h(
      'div',
      { class: `health-number health-${name}` },
      h('dt', { text: t('webhooks.health.name', { name }) }),
      value,
    );
    return { name, value, number };
  });
  const element = h(
    'dl',
    { class: 'health-numbers' },
    numbers.map(({ number }) => number),
  );
  /** @param {WebhookHealth} health */
  const show = (health) => {
    for (const { name, value, number } of numbers) {
      setText(value, formatNumber(health[name]));
      number.classList.toggle('is-zero', !health[name]);
    }
  };
  return { element, show };
}

/** @param {WebhookHealth} health @returns {string} the counts in one line, without those that are 0 */
export function describeHealth(health) {
  const parts = COUNT_NAMES.filter((name) => health[name]).map((name) =>
    t('webhooks.health.part', { name, count: health[name] }),
  );
  return parts.join(' · ') || t('webhooks.health.nothing');
}

/**
 * @param {string} eventType as in the API: event types separated by commas, or `*`
 * @returns {string} a short text for a table cell
 */
export function describeEvents(eventType) {
  if (eventType.split(',').includes('*')) return t('webhooks.form.all_events');
  const [first, second, ...rest] = eventType.split(',');
  return [first, second].filter(Boolean).join(', ') + (rest.length ? ` +${formatNumber(rest.length)}` : '');
}
