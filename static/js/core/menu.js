// A button that opens a short menu. The popover closes it on Esc and on a click elsewhere, and gives the focus back.

import { h } from './dom.js';

const GAP = 4;
const MARGIN = 8;

let serial = 0;

/**
 * @param {object} options
 * @param {(Node|string)[]} options.face what the button shows
 * @param {string} options.label its name, and the menu's
 * @param {string} [options.look] extra classes of the button
 * @param {string} options.testid
 * @param {HTMLElement[]} options.items made by menuItem
 * @param {() => void} [options.onOpen]
 * @returns {HTMLElement}
 */
export function menuButton({ face, label, look = '', testid, items, onOpen }) {
  serial += 1;
  const id = `menu-${serial}`;
  const menu = h('div', { class: 'menu', id, role: 'menu', popover: 'auto', 'aria-label': label, on: { keydown: (event) => move(event, items) } }, items);
  const button = h('button', {
    class: `button ${look}`.trim(), type: 'button', popovertarget: id, 'aria-haspopup': 'menu', 'aria-expanded': 'false', 'aria-label': label, title: label,
    data: { testid },
    on: { keydown: (event) => openWithArrow(event, menu) },
  }, face);
  menu.addEventListener('beforetoggle', (event) => event.newState === 'open' && onOpen?.());
  menu.addEventListener('toggle', (event) => {
    const isOpen = event.newState === 'open';
    button.setAttribute('aria-expanded', String(isOpen));
    if (!isOpen) return;
    place(menu, button);
    items[0].focus();
  });
  // Before the item runs: a dialog that it opens gives the focus back to what has it then.
  const leave = (event) => {
    if (!event.target.closest('[role="menuitem"]')) return;
    menu.hidePopover();
    button.focus();
  };
  menu.addEventListener('click', leave, { capture: true });
  return h('div', { class: 'menu-holder' }, button, menu);
}

/**
 * @param {object} options
 * @param {string} [options.href] makes it a download
 * @param {() => void} [options.run]
 * @param {string} options.testid
 * @param {boolean} [options.danger]
 * @param {...(Node|string)} content
 */
export function menuItem({ href, run, testid, danger = false }, ...content) {
  const common = { class: `menu-item ${danger ? 'menu-item-danger' : ''}`.trim(), role: 'menuitem', tabindex: '-1', data: { testid } };
  if (href) return h('a', { ...common, href, download: true }, content);
  return h('button', { ...common, type: 'button', on: { click: run } }, content);
}

function place(menu, button) {
  const box = button.getBoundingClientRect();
  const left = Math.min(box.right - menu.offsetWidth, window.innerWidth - MARGIN - menu.offsetWidth);
  menu.style.left = `${Math.max(MARGIN, left)}px`;
  menu.style.top = `${Math.max(MARGIN, Math.min(box.bottom + GAP, window.innerHeight - MARGIN - menu.offsetHeight))}px`;
}

function openWithArrow(event, menu) {
  if (event.key !== 'ArrowDown') return;
  event.preventDefault();
  menu.showPopover();
}

function move(event, items) {
  const at = items.indexOf(document.activeElement);
  const target = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
  if (event.key === 'Tab') event.currentTarget.hidePopover();
  // The keys of the page behind the menu are not meant here.
  if (event.key === 'Escape') event.stopPropagation();
  if (target === undefined) return;
  event.preventDefault();
  items[(target + items.length) % items.length].focus();
}
