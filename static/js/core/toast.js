// Short notices that disappear by themselves. Errors are never toasts.

import { elementById, h } from './dom.js';
import { icon } from './icons.js';

const SHOWN_MS = 5_000;
const SHOWN_WITH_ACTION_MS = 10_000;

/** @typedef {{isShown: () => boolean, remove: () => void}} Toast */

/** @import { Child } from './dom.js' */

/**
 * Show a toast.
 * @param {Child} text three or four words
 * @param {object} [extra]
 * @param {string} [extra.label] of the link or button
 * @param {string} [extra.href] adds a link
 * @param {() => void} [extra.run] adds a button; a click removes the toast, too
 * @param {string} [extra.testid] of the link or button
 * @param {number} [extra.shownMs] Infinity: until it is removed
 * @returns {Toast}
 */
export function toast(text, extra = {}) {
  const { label, href, run, testid, shownMs = label ? SHOWN_WITH_ACTION_MS : SHOWN_MS } = extra;
  /** @type {Record<string, string>} */
  const data = testid ? { testid } : {};
  const element = h(
    'div',
    { class: 'toast', data: { testid: 'toast' } },
    icon('check', 'toast-icon'),
    h('span', { class: 'toast-text' }, text),
    href ? h('a', { href, text: label, data }) : null,
    run
      ? h('button', {
          class: 'toast-button',
          type: 'button',
          text: label,
          data,
          on: {
            click: () => {
              remove();
              run();
            },
          },
        })
      : null,
  );
  const remove = () => {
    element.remove();
    window.removeEventListener('hashchange', whenThere);
  };
  // The link is obsolete once its address is shown.
  const whenThere = () => href && href === window.location.hash && remove();
  window.addEventListener('hashchange', whenThere);
  elementById('toasts').append(element);
  if (Number.isFinite(shownMs)) setTimeout(remove, shownMs);
  return { isShown: () => element.isConnected, remove };
}
