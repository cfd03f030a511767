// Builds elements. Text only ever becomes a text node: nothing that comes from a file or the server is parsed as HTML.

const AS_PROPERTY = new Set(['value', 'checked', 'disabled', 'hidden', 'selected', 'open', 'multiple', 'indeterminate']);

/**
 * Creates an element.
 * @param {string} tag name of the element
 * @param {object} [props] attributes; `class`, `text`, `data` (data-*), `on` (listeners) are special; null and undefined are left out
 * @param {...(Node|string|number|null|undefined|false|Array)} children
 * @returns {HTMLElement}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) applyProp(element, name, value);
  append(element, children);
  return element;
}

function applyProp(element, name, value) {
  if (value === null || value === undefined) return;
  if (name === 'text') element.textContent = value;
  else if (name === 'class') element.className = value;
  else if (name === 'data') Object.assign(element.dataset, value);
  else if (name === 'on') for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
  else if (AS_PROPERTY.has(name)) element[name] = value;
  else if (value === true) element.setAttribute(name, '');
  else if (value !== false) element.setAttribute(name, String(value));
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/**
 * Puts new children in place of the old ones.
 * @param {Element} element
 * @param {...(Node|string|null|false)} children
 */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

/**
 * The same for a large part of the page: the focus, if it was in there, goes to the top of the screen instead of nowhere.
 * @param {Element} element
 * @param {...(Node|string|null|false)} children
 */
export function refill(element, ...children) {
  const hadFocus = element.contains(document.activeElement);
  fill(element, ...children);
  if (hadFocus) document.getElementById('main').focus({ preventScroll: true });
}

/**
 * Writes a text only when it differs, so that screen readers and selections are left alone.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Calls a function after its caller has been silent for a while.
 * @param {Function} callback
 * @param {number} delayMs
 */
export function debounce(callback, delayMs) {
  let timer = 0;
  const later = (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => callback(...args), delayMs);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}
