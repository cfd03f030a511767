// Messages that stay at the top until they are dismissed or no longer true.

import { h } from './dom.js';
import { icon } from './icons.js';

const shown = new Map();

/**
 * Builds a banner without placing it.
 * @param {object} options
 * @param {string|(string|Node)[]} options.title what happened
 * @param {string} [options.detail] what to do next
 * @param {'error'|'warning'} [options.tone]
 * @param {{label: string, run: () => void}} [options.action]
 * @param {() => void} [options.onDismiss] shows a close button
 * @returns {HTMLElement}
 */
export function buildBanner({ title, detail, tone = 'error', action, onDismiss }) {
  return h('div', { class: `banner banner-${tone}`, role: 'alert', data: { testid: `banner-${tone}` } },
    icon(tone === 'error' ? 'alert' : 'warning', 'banner-icon'),
    h('div', { class: 'banner-text' },
      h('p', { class: 'banner-title' }, title),
      detail ? h('p', { class: 'banner-detail', text: detail }) : null),
    action ? h('button', { class: 'button button-small', type: 'button', text: action.label, on: { click: () => action.run() } }) : null,
    onDismiss ? dismissButton(onDismiss) : null);
}

function dismissButton(onDismiss) {
  return h('button', { class: 'icon-button', type: 'button', 'aria-label': 'Dismiss', title: 'Dismiss', on: { click: onDismiss } },
    icon('cross'));
}

/**
 * Shows a banner at the top; one with the same key takes the earlier one's place.
 * @param {object} options as for buildBanner, and:
 * @param {string} options.key
 * @param {boolean} [options.dismissible]
 */
export function showBanner({ key, dismissible = true, ...options }) {
  const banner = buildBanner({ ...options, onDismiss: dismissible ? () => clearBanner(key) : undefined });
  const earlier = shown.get(key);
  if (earlier) earlier.replaceWith(banner);
  else document.getElementById('banners').append(banner);
  shown.set(key, banner);
}

/** @param {string} key of the banner that is no longer true */
export function clearBanner(key) {
  shown.get(key)?.remove();
  shown.delete(key);
}
