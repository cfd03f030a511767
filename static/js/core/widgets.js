// Small elements that several screens show: progress bar, empty state, relative time.

import { h, setText } from './dom.js';
import { formatRelative, formatTime } from './format.js';
import { icon } from './icons.js';

/** @import { IconName } from './icons.js' */

/**
 * @typedef {object} ProgressBar
 * @property {HTMLElement} element
 * @property {(percent: number, text?: string) => void} set `text` replaces the percentage for screen readers.
 * @property {(name: string) => void} tone
 */

/**
 * Create a progress bar.
 * @param {object} options
 * @param {string} options.label name for screen readers
 * @param {string} [options.testid]
 * @param {string} [options.size] "slim" for lists and the header
 * @returns {ProgressBar}
 */
export function progressBar({ label, testid, size = '' }) {
  const value = h('div', { class: 'bar-value' });
  const element = h(
    'div',
    {
      class: `bar ${size ? `bar-${size}` : ''}`.trim(),
      role: 'progressbar',
      'aria-label': label,
      'aria-valuemin': 0,
      'aria-valuemax': 100,
      'aria-valuenow': 0,
      data: testid ? { testid } : {},
    },
    value,
  );
  /**
   * @param {number} percent
   * @param {string} [text]
   */
  const set = (percent, text) => {
    const bounded = Math.min(100, Math.max(0, percent));
    element.setAttribute('aria-valuenow', String(Math.floor(bounded)));
    if (text) element.setAttribute('aria-valuetext', text);
    value.style.transform = `scaleX(${bounded / 100})`;
  };
  /** @param {string} name */
  const tone = (name) => {
    element.dataset.tone = name;
  };
  set(0);
  return { element, set, tone };
}

/**
 * Create the content of an empty list: what belongs here and how to start.
 * @param {object} options
 * @param {IconName} options.shape
 * @param {string} options.title
 * @param {string} [options.detail]
 * @param {HTMLElement} [options.action]
 */
export function emptyState({ shape, title, detail, action }) {
  return h(
    'div',
    { class: 'empty' },
    icon(shape, 'empty-icon'),
    h('p', { class: 'empty-title', text: title }),
    detail ? h('p', { class: 'empty-detail', text: detail }) : null,
    action ?? null,
  );
}

/**
 * Hide a card that still shows that it loads, because its request has failed. What it showed before stays.
 * @param {HTMLElement} card
 */
export function hideSkeleton(card) {
  card.hidden = card.querySelector('[aria-busy]') !== null;
}

/**
 * Create an element with a relative time. Its title has the full time.
 * @param {string|null} iso
 */
export function timeElement(iso) {
  return h('time', { datetime: iso, title: formatTime(iso), text: formatRelative(iso) });
}

/**
 * Update every relative time below an element.
 * @param {Element} root
 */
export function refreshTimes(root) {
  for (const element of root.querySelectorAll('time')) setText(element, formatRelative(element.dateTime));
}

/**
 * Create the part of a text that only screen readers say. It is a tag of messages.
 * @param {(string | Node)[]} parts
 */
export const hiddenText = (parts) => h('span', { class: 'visually-hidden' }, parts);
