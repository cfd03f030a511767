// Messages at the top of the page. They stay until the user dismisses them or their cause has ended.

import { elementById, h } from './dom.js';
import { t } from './i18n.js';
import { icon } from './icons.js';
import { messageContent } from './message-text.js';

/**
 * @typedef {object} BannerOptions
 * @property {Child} title what happened
 * @property {string} [detail] what to do next
 * @property {'error'|'warning'} [tone]
 * @property {{label: string, run: () => void}} [action]
 */

/** @import { Child } from './dom.js' */

/** @type {Map<string, HTMLElement>} */
const shown = new Map();

/**
 * Create a banner without showing it.
 * @param {BannerOptions & {onDismiss?: () => void}} options with `onDismiss`, the banner has a close button
 * @returns {HTMLElement}
 */
export function buildBanner({ title, detail, tone = 'error', action, onDismiss }) {
  return h(
    'div',
    { class: `banner banner-${tone}`, role: 'alert', data: { testid: `banner-${tone}` } },
    icon(tone === 'error' ? 'alert' : 'warning', 'banner-icon'),
    h(
      'div',
      { class: 'banner-text' },
      h('p', { class: 'banner-title' }, typeof title === 'string' ? messageContent(title) : title),
      detail ? h('p', { class: 'banner-detail', message: detail }) : null,
    ),
    action
      ? h('button', {
          class: 'button button-small',
          type: 'button',
          text: action.label,
          on: { click: () => action.run() },
        })
      : null,
    onDismiss ? dismissButton(onDismiss) : null,
  );
}

/** @param {() => void} onDismiss */
function dismissButton(onDismiss) {
  return h(
    'button',
    {
      class: 'icon-button',
      type: 'button',
      'aria-label': t('core.banner.dismiss'),
      title: t('core.banner.dismiss'),
      on: { click: onDismiss },
    },
    icon('cross'),
  );
}

/**
 * Show a banner at the top of the page. It replaces an earlier one with the same key.
 * @param {BannerOptions & {key: string, dismissible?: boolean}} options
 */
export function showBanner({ key, dismissible = true, ...options }) {
  const banner = buildBanner({ ...options, onDismiss: dismissible ? () => clearBanner(key) : undefined });
  const earlier = shown.get(key);
  if (earlier) earlier.replaceWith(banner);
  else elementById('banners').append(banner);
  shown.set(key, banner);
}

/**
 * Remove a banner, if it is shown.
 * @param {string} key
 */
export function clearBanner(key) {
  shown.get(key)?.remove();
  shown.delete(key);
}

/**
 * Return whether a banner is shown.
 * @param {string} key
 */
export const isBannerShown = (key) => shown.has(key);
