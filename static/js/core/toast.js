// Short notices that disappear by themselves, once nobody points at them. Errors are never toasts. They lie above the
// page, so they make way for the control that a keyboard has brought the focus to (WCAG 2.4.11).

import { elementById, h } from './dom.js';
import { icon } from './icons.js';

const SHOWN_MS = 5_000;
const SHOWN_WITH_ACTION_MS = 10_000;
/** A toast that is in use, or in a hidden tab, stays at least this much longer. */
const IN_USE_MS = 3_000;
const GAP_PX = 8;

let isMakingWay = false;

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
  if (!isMakingWay) document.addEventListener('focusin', makeWay);
  isMakingWay = true;
  makeWay();
  const expire = () => {
    const isInUse = document.hidden || element.matches(':hover, :focus-within');
    if (isInUse && element.isConnected) setTimeout(expire, IN_USE_MS);
    else remove();
  };
  if (Number.isFinite(shownMs)) setTimeout(expire, shownMs);
  return { isShown: () => element.isConnected, remove };
}

/** Move the toasts above the control that has the focus, if they would cover it in their own place. */
function makeWay() {
  const list = elementById('toasts');
  list.style.insetBlockEnd = '';
  const focused = document.activeElement;
  // A screen or the scrolled part of one takes the focus as a whole. It stays in view beside the toasts.
  if (!focused?.matches(':focus-visible:not(main)') || list.contains(focused)) return;
  const control = focused.getBoundingClientRect();
  if (control.height > window.innerHeight / 2) return;
  if (![...list.children].some((shown) => isOverlap(shown.getBoundingClientRect(), control))) return;
  list.style.insetBlockEnd = `${window.innerHeight - control.top + GAP_PX}px`;
}

/**
 * @param {DOMRect} one
 * @param {DOMRect} other
 */
const isOverlap = (one, other) =>
  one.left < other.right &&
  other.left < one.right &&
  one.top < other.bottom + GAP_PX &&
  other.top < one.bottom + GAP_PX;
