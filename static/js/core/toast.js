// Short notices that go away by themselves. Errors never are toasts.

import { h } from './dom.js';
import { icon } from './icons.js';

const SHOWN_MS = 5_000;
const SHOWN_WITH_ACTION_MS = 10_000;

/**
 * @param {string|(string|Node)[]} text three or four words
 * @param {object} [extra]
 * @param {string} [extra.label] of the link or button
 * @param {string} [extra.href] makes it a link
 * @param {() => void} [extra.run] makes it a button; the toast goes with the click
 * @param {string} [extra.testid] of the link or button
 * @param {number} [extra.shownMs] Infinity: until removed
 * @returns {{isShown: () => boolean, remove: () => void}}
 */
export function toast(text, extra = {}) {
  const { label, href, run, testid, shownMs = label ? SHOWN_WITH_ACTION_MS : SHOWN_MS } = extra;
  const data = testid ? { testid } : {};
  const element = h('div', { class: 'toast', data: { testid: 'toast' } },
    icon('check', 'toast-icon'),
    h('span', { class: 'toast-text' }, text),
    href ? h('a', { href, text: label, data }) : null,
    run ? h('button', { class: 'toast-button', type: 'button', text: label, data, on: { click: () => { remove(); run(); } } }) : null);
  const remove = () => {
    element.remove();
    window.removeEventListener('hashchange', whenThere);
  };
  // Who is there already needs no link to it.
  const whenThere = () => href && href === window.location.hash && remove();
  window.addEventListener('hashchange', whenThere);
  document.getElementById('toasts').append(element);
  if (Number.isFinite(shownMs)) setTimeout(remove, shownMs);
  return { isShown: () => element.isConnected, remove };
}
