// A button that opens a short menu. As a popover it closes on Esc and on a click elsewhere, and restores the focus.

import { closestTo, fill, h } from './dom.js';
import { icon } from './icons.js';

/** @import { Child } from './dom.js' */

const GAP = 4;
const MARGIN = 8;

let serial = 0;

/**
 * Create a menu button.
 * @param {object} options
 * @param {Child[]} options.face content of the button
 * @param {string} options.label accessible name of the button and the menu
 * @param {string} [options.look] extra classes of the button
 * @param {string} options.testid
 * @param {HTMLElement[] | (() => Child[])} options.items created by menuItem; a function makes them when the menu opens
 * @param {() => void} [options.onOpen]
 * @returns {HTMLElement}
 */
export function menuButton({ face, label, look = '', testid, items, onOpen }) {
  serial += 1;
  const id = `menu-${serial}`;
  /** @type {HTMLElement} */
  const menu = h(
    'div',
    {
      class: 'menu',
      id,
      role: 'menu',
      popover: 'auto',
      'aria-label': label,
      on: { keydown: (event) => move(event, menu, shownItems(menu)) },
    },
    typeof items === 'function' ? [] : items,
  );
  const button = h(
    'button',
    {
      class: `button ${look}`.trim(),
      type: 'button',
      popovertarget: id,
      'aria-haspopup': 'menu',
      'aria-expanded': 'false',
      'aria-label': label,
      title: label,
      data: { testid },
      on: { keydown: (event) => openWithArrow(event, menu) },
    },
    face,
  );
  menu.addEventListener('beforetoggle', (event) => {
    if (event.newState !== 'open') return;
    onOpen?.();
    if (typeof items === 'function') fill(menu, items());
  });
  const follow = () => {
    if (!menu.matches(':popover-open')) window.removeEventListener('resize', follow);
    // Some buttons are hidden in narrow windows.
    else if (button.checkVisibility()) place(menu, button);
    else menu.hidePopover();
  };
  menu.addEventListener('toggle', (event) => {
    const isOpen = event.newState === 'open';
    button.setAttribute('aria-expanded', String(isOpen));
    if (!isOpen) return;
    place(menu, button);
    window.addEventListener('resize', follow);
    shownItems(menu)[0]?.focus();
  });
  // This listener runs before that of the item, so a dialog that the item opens returns the focus to the button.
  /** @param {Event} event */
  const leave = (event) => {
    // A choice that can be combined with others leaves the menu open.
    if (!closestTo(event, '[role="menuitem"], [role="menuitemradio"]')) return;
    menu.hidePopover();
    button.focus();
  };
  menu.addEventListener('click', leave, { capture: true });
  return h('div', { class: 'menu-holder' }, button, menu);
}

/**
 * @param {HTMLElement} menu
 * @returns {HTMLElement[]}
 */
function shownItems(menu) {
  /** @type {NodeListOf<HTMLElement>} */
  const items = menu.querySelectorAll('[role^="menuitem"]');
  return [...items].filter((item) => !item.hidden);
}

/**
 * Create an item of a menu that is chosen or not. With `checkbox`, the menu stays open.
 * @param {object} options
 * @param {'radio' | 'checkbox'} options.kind
 * @param {boolean} options.checked
 * @param {(checked: boolean) => void} options.run
 * @param {string} options.testid
 * @param {...Child} content
 * @returns {HTMLElement}
 */
export function menuChoice({ kind, checked, run, testid }, ...content) {
  const item = menuItem(
    {
      testid,
      run: () => {
        const wanted = kind === 'radio' || item.getAttribute('aria-checked') !== 'true';
        item.setAttribute('aria-checked', String(wanted));
        run(wanted);
      },
    },
    icon('check', 'menu-check'),
    content,
  );
  item.setAttribute('role', `menuitem${kind}`);
  item.setAttribute('aria-checked', String(checked));
  return item;
}

/**
 * Create an item of a menu: a download with `href`, a button with `run`.
 * @param {object} options
 * @param {string} [options.href]
 * @param {() => void} [options.run]
 * @param {string} options.testid
 * @param {boolean} [options.danger]
 * @param {...Child} content
 * @returns {HTMLElement}
 */
export function menuItem({ href, run, testid, danger = false }, ...content) {
  const common = {
    class: `menu-item ${danger ? 'menu-item-danger' : ''}`.trim(),
    role: 'menuitem',
    tabindex: '-1',
    data: { testid },
  };
  if (href) return h('a', { ...common, href, download: true }, content);
  return h('button', { ...common, type: 'button', on: { click: run } }, content);
}

/**
 * @param {HTMLElement} menu
 * @param {HTMLElement} button
 */
function place(menu, button) {
  const box = button.getBoundingClientRect();
  const left = Math.min(box.right - menu.offsetWidth, window.innerWidth - MARGIN - menu.offsetWidth);
  menu.style.left = `${Math.max(MARGIN, left)}px`;
  menu.style.top = `${Math.max(MARGIN, Math.min(box.bottom + GAP, window.innerHeight - MARGIN - menu.offsetHeight))}px`;
}

/**
 * @param {KeyboardEvent} event
 * @param {HTMLElement} menu
 */
function openWithArrow(event, menu) {
  if (event.key !== 'ArrowDown') return;
  event.preventDefault();
  // Its items get the focus a moment after it has opened.
  if (!menu.matches(':popover-open')) menu.showPopover();
}

/**
 * @param {KeyboardEvent} event
 * @param {HTMLElement} menu
 * @param {HTMLElement[]} items
 */
function move(event, menu, items) {
  const at = items.findIndex((item) => item === document.activeElement);
  /** @type {Record<string, number>} */
  const targets = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 };
  const target = targets[event.key];
  if (event.key === 'Tab') menu.hidePopover();
  // Esc closes the menu only; the page below must not handle it, too.
  if (event.key === 'Escape') event.stopPropagation();
  if (target === undefined) return;
  event.preventDefault();
  items[(target + items.length) % items.length]?.focus();
}
