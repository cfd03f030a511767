// Create and change elements. Text only ever becomes a text node: nothing from a file or the server is parsed as HTML.

import { showMessage } from './message-text.js';

/** @typedef {Node | string | number | null | undefined | false} SingleChild Null, undefined and false add nothing. */

/** @typedef {SingleChild | Child[]} Child Lists may be nested. */

/** @typedef {HTMLElementEventMap & {search: Event}} EventMap "search" fires in Chromium and Safari only. */

/** @typedef {{[Type in keyof EventMap]?: (event: EventMap[Type]) => unknown}} Listeners */

/**
 * Attributes by name. `null`, `undefined` and `false` leave an attribute out; `true` sets it without a value.
 * `class`, `text` (the text content), `message` (a text whose parts in backticks become code), `data` (data-*
 * attributes) and `on` (listeners by event) are special.
 * @typedef {{class?: string, text?: string | number | null, message?: string | null, data?: Record<string, string>,
 *   on?: Listeners, [attribute: string]: unknown}} Props
 */

/** Names that are set as properties, because their attributes only hold the initial state. */
const PROPERTIES = new Set(['value', 'checked', 'disabled', 'hidden', 'selected', 'open', 'multiple', 'indeterminate']);

/**
 * Create an element.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Props | null} [props]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) applyProp(element, name, value);
  append(element, children);
  return element;
}

/**
 * @param {HTMLElement} element
 * @param {string} name
 * @param {any} value
 */
function applyProp(element, name, value) {
  if (value === null || value === undefined) return;
  if (name === 'text') element.textContent = value;
  else if (name === 'message') showMessage(element, value);
  else if (name === 'class') element.className = value;
  else if (name === 'data') Object.assign(element.dataset, value);
  else if (name === 'on') addListeners(element, value);
  else if (PROPERTIES.has(name)) Object.assign(element, { [name]: value });
  else if (value === true) element.setAttribute(name, '');
  else if (value !== false) element.setAttribute(name, String(value));
}

/**
 * @param {HTMLElement} element
 * @param {Record<string, EventListener>} listeners
 */
function addListeners(element, listeners) {
  for (const [type, listener] of Object.entries(listeners)) element.addEventListener(type, listener);
}

/**
 * @param {Element} element
 * @param {Child[]} children
 */
function append(element, children) {
  for (const child of children) {
    if (Array.isArray(child)) append(element, child);
    else if (child instanceof Node) element.append(child);
    else if (child !== null && child !== undefined && child !== false) element.append(String(child));
  }
}

/**
 * Replace the children of an element.
 * @param {Element} element
 * @param {...Child} children
 */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

/**
 * Replace the children of a large part of the page. If the focus was inside, it moves to the top of the screen;
 * otherwise it would be lost.
 * @param {Element} element
 * @param {...Child} children
 */
export function refill(element, ...children) {
  const hadFocus = element.contains(document.activeElement);
  fill(element, ...children);
  if (hadFocus) elementById('main').focus({ preventScroll: true });
}

/**
 * Make these elements the children of another one, in this order. Those that stay in their place are not moved, because
 * moving an element takes the focus from it.
 * @param {Element} parent
 * @param {Element[]} children
 */
export function arrange(parent, children) {
  const wanted = new Set(children);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  let before = parent.firstElementChild;
  for (const child of children) {
    if (child === before) before = child.nextElementSibling;
    else parent.insertBefore(child, before);
  }
}

/**
 * Set a text only if it differs, so that screen readers and selections are left alone.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Return an element of the page's own HTML.
 * @param {string} id
 * @returns {HTMLElement}
 * @throws {Error} if there is none, which is a mistake in the HTML
 */
export function elementById(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`The page has no element #${id}.`);
  return element;
}

/**
 * Return the event's target, or its closest ancestor, that matches the selector; null if there is none.
 * @param {Event} event
 * @param {string} selector
 * @returns {HTMLElement | null}
 */
export function closestTo(event, selector) {
  return event.target instanceof Element ? event.target.closest(selector) : null;
}

/**
 * Delay a function until it has not been called for `delayMs`. Only the last call runs.
 * @template {unknown[]} Args
 * @param {(...args: Args) => void} callback
 * @param {number} delayMs
 * @returns {((...args: Args) => void) & {cancel: () => void}}
 */
export function debounce(callback, delayMs) {
  let timer = 0;
  /** @param {Args} args */
  const later = (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => callback(...args), delayMs);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}
