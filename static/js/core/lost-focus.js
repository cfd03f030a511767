// Keep the focus on the page. When the control that has it disappears, such as the button of a deleted row or that of a
// message, browsers move the focus to nothing: the next Tab starts at the top of the page, and a screen reader does not
// know where it is. A neighbour takes the focus instead. Code that knows a better place moves the focus itself, before
// the next frame is drawn.

import { elementById } from './dom.js';

const CONTROLS = 'a[href], button, input, select, textarea, summary, [tabindex]:not([tabindex="-1"])';
const REMEMBERED = 8;

/**
 * A part of the page around the last control, with its neighbours at that time.
 * @typedef {{element: Element, next: Element | null, previous: Element | null}} Place
 */

/**
 * The control that had the focus last, and what is around it, from the inside out.
 * @type {Place[]}
 */
let places = [];
/**
 * The controls that had the focus before, the latest first.
 * @type {HTMLElement[]}
 */
let earlier = [];
/**
 * The open dialogs, and where the focus was before each of them opened. The control there may disappear meanwhile.
 * @type {{dialog: Element, places: Place[]}[]}
 */
let openers = [];
let isWaiting = false;

/** Look after the focus from now on. */
export function installLostFocus() {
  document.addEventListener('focusin', ({ target }) => target instanceof HTMLElement && remember(target));
  document.addEventListener('focusout', () => queueMicrotask(forgetIfLeft));
  new MutationObserver(checkLater).observe(document.body, {
    childList: true,
    subtree: true,
    attributeFilter: ['hidden', 'disabled'],
  });
}

/** @param {HTMLElement} control */
function remember(control) {
  earlier = [control, ...earlier.filter((other) => other !== control && other.isConnected)].slice(0, REMEMBERED);
  const dialog = control.closest('dialog');
  openers = openers.filter((opener) => opener.dialog.isConnected);
  if (dialog && places[0] && !dialog.contains(places[0].element)) openers.push({ dialog, places });
  places = [];
  for (let element = /** @type {Element | null} */ (control); element; element = element.parentElement) {
    places.push({ element, next: element.nextElementSibling, previous: element.previousElementSibling });
    if (isRegion(element)) break;
  }
}

/** Who clicks beside all controls wants none of them to have the focus. */
function forgetIfLeft() {
  const [last] = places;
  if (isNothingFocused() && document.hasFocus() && last && isUsable(last.element)) places = [];
}

// The code that has removed the control may still give the focus to another one.
function checkLater() {
  if (isWaiting || !places.length) return;
  isWaiting = true;
  requestAnimationFrame(() => {
    isWaiting = false;
    restore();
  });
}

function restore() {
  const [last] = places;
  // A control that was just hidden has the focus until the frame is drawn.
  const isLost = isNothingFocused() || document.activeElement === last?.element;
  if (!last || !isLost || isUsable(last.element)) return;
  // What an open dialog covers does not take the focus.
  const closed = openers.filter(({ dialog }) => !dialog.isConnected).reverse();
  const neighbours = [places, ...closed.map((opener) => opener.places)].map(neighbourOf);
  for (const control of [...neighbours, ...earlier.filter(isUsable), elementById('main')]) {
    control?.focus();
    if (control === document.activeElement) return;
  }
}

const isNothingFocused = () => !document.activeElement || document.activeElement === document.body;

/**
 * Return the control that is closest to one that has disappeared.
 * @param {Place[]} around
 */
function neighbourOf(around) {
  const [last] = around;
  for (const [index, { element, next, previous }] of around.entries()) {
    const parent = around[index + 1]?.element;
    if (!last || isUsable(element) || !parent?.isConnected) continue;
    // The same button of the next row is better than its first control, and so is that of content that was made again.
    const others = [next, previous].filter((sibling) => sibling?.parentElement === parent);
    for (const part of isRegion(parent) && !parent.matches('dialog') ? others : [...others, parent]) {
      const controls = part ? controlsIn(part) : [];
      const closest = controls.at(part === previous ? -1 : 0);
      const found = controls.find((control) => isLike(control, last.element)) ?? closest;
      if (found) return found;
    }
  }
  return undefined;
}

/**
 * @param {Element} one
 * @param {Element} other
 */
const isLike = (one, other) => one.tagName === other.tagName && identityOf(one) === identityOf(other);

/** @param {Element} control */
const identityOf = (control) =>
  control.getAttribute('data-testid') ?? control.getAttribute('aria-label') ?? control.textContent;

/** @param {Element} element */
const controlsIn = (element) => {
  /** @type {NodeListOf<HTMLElement>} */
  const inside = element.querySelectorAll(CONTROLS);
  const itself = element instanceof HTMLElement && element.matches(CONTROLS) ? [element] : [];
  return [...itself, ...inside].filter(isUsable);
};

/** @param {Element} element */
const isUsable = (element) => element.isConnected && element.checkVisibility() && !element.matches(':disabled');

/** @param {Element} element a part of the page beyond which nothing is a neighbour */
const isRegion = (element) => element.matches('main, header, dialog, [role="status"], .banners, body');
