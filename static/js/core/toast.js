// Short notices that disappear by themselves, once nobody points at them. Errors are never toasts.

import { elementById, h } from './dom.js';
import { icon } from './icons.js';

const SHOWN_MS = 5_000;
const SHOWN_WITH_ACTION_MS = 10_000;
/** A toast that is in use, or in a hidden tab, stays at least this much longer. */
const IN_USE_MS = 3_000;

/** @typedef {{isShown: () => boolean, remove: () => void}} Toast */

/** @import { Child } from './dom.js' */
/** @import { IconName } from './icons.js' */

/**
 * Show a toast.
 * @param {Child} text three or four words
 * @param {object} [extra]
 * @param {string} [extra.label] of the link or button
 * @param {string} [extra.href] adds a link
 * @param {() => void} [extra.run] adds a button; a click removes the toast, too
 * @param {string} [extra.testid] of the link or button
 * @param {IconName} [extra.shape] of the icon
 * @param {{label: string, href: string}} [extra.link] a link beside the button
 * @param {number} [extra.shownMs] Infinity: until it is removed
 * @returns {Toast}
 */
export function toast(text, extra = {}) {
  const { run, testid, link, shape = 'check' } = extra;
  const { label, href = link?.href, shownMs = label ? SHOWN_WITH_ACTION_MS : SHOWN_MS } = extra;
  /** @type {Record<string, string>} */
  const data = testid ? { testid } : {};
  const element = h(
    'div',
    { class: 'toast', data: { testid: 'toast' } },
    icon(shape, 'toast-icon'),
    h('span', { class: 'toast-text' }, text),
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
    href ? h('a', { href, text: link?.label ?? label, data: link ? {} : data }) : null,
  );
  const remove = () => {
    element.remove();
    window.removeEventListener('hashchange', whenThere);
  };
  // The link is obsolete once its address is shown.
  const whenThere = () => href && href === window.location.hash && remove();
  window.addEventListener('hashchange', whenThere);
  elementById('toasts').append(element);
  const expire = () => {
    const isInUse = document.hidden || element.matches(':hover, :focus-within');
    if (isInUse && element.isConnected) setTimeout(expire, IN_USE_MS);
    else remove();
  };
  if (Number.isFinite(shownMs)) setTimeout(expire, shownMs);
  return { isShown: () => element.isConnected, remove };
}
