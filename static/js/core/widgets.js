// Small pieces that several screens show: progress bar, empty state, time.

import { fill, h, setText } from './dom.js';
import { formatRelative, formatTime } from './format.js';
import { icon } from './icons.js';

/**
 * A progress bar.
 * @param {object} options
 * @param {string} options.label name for screen readers
 * @param {string} [options.testid]
 * @param {string} [options.size] "slim" for lists and the header
 * @returns {{element: HTMLElement, set: (percent: number, text?: string) => void, tone: (name: string) => void}}
 */
export function progressBar({ label, testid, size = '' }) {
  const value = h('div', { class: 'bar-value' });
  const element = h('div', {
    class: `bar ${size ? `bar-${size}` : ''}`.trim(), role: 'progressbar', 'aria-label': label,
    'aria-valuemin': 0, 'aria-valuemax': 100, 'aria-valuenow': 0, data: testid ? { testid } : {},
  }, value);
  const set = (percent, text) => {
    const bounded = Math.min(100, Math.max(0, percent));
    element.setAttribute('aria-valuenow', Math.floor(bounded));
    if (text) element.setAttribute('aria-valuetext', text);
    value.style.transform = `scaleX(${bounded / 100})`;
  };
  const tone = (name) => { element.dataset.tone = name; };
  set(0);
  return { element, set, tone };
}

/**
 * An empty place that says what it is for.
 * @param {object} options
 * @param {string} options.shape icon
 * @param {string} options.title
 * @param {string} [options.detail]
 * @param {HTMLElement} [options.action]
 */
export function emptyState({ shape, title, detail, action }) {
  return h('div', { class: 'empty' },
    icon(shape, 'empty-icon'),
    h('p', { class: 'empty-title', text: title }),
    detail ? h('p', { class: 'empty-detail', text: detail }) : null,
    action ?? null);
}

/** @param {string|null} iso @returns {HTMLElement} a relative time with the full one in its title */
export function timeElement(iso) {
  return h('time', { datetime: iso, title: formatTime(iso), text: formatRelative(iso) });
}

/** @param {Element} root brings every relative time below it up to date */
export function refreshTimes(root) {
  for (const element of root.querySelectorAll('time[datetime]')) setText(element, formatRelative(element.dateTime));
}
