// Short notices that go away by themselves. Errors never are toasts.

import { h } from './dom.js';
import { icon } from './icons.js';

const SHOWN_MS = 5_000;
const SHOWN_WITH_LINK_MS = 10_000;

/**
 * @param {string} text three or four words
 * @param {{label: string, href: string}} [link]
 * @returns {{isShown: () => boolean, remove: () => void}}
 */
export function toast(text, link) {
  const element = h('div', { class: 'toast' },
    icon('check', 'toast-icon'),
    h('span', { text }),
    link ? h('a', { href: link.href, text: link.label }) : null);
  const remove = () => {
    element.remove();
    window.removeEventListener('hashchange', whenThere);
  };
  // Who is there already needs no link to it.
  const whenThere = () => link?.href === window.location.hash && remove();
  window.addEventListener('hashchange', whenThere);
  document.getElementById('toasts').append(element);
  setTimeout(remove, link ? SHOWN_WITH_LINK_MS : SHOWN_MS);
  return { isShown: () => element.isConnected, remove };
}
