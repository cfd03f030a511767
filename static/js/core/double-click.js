// The second click of a double click may hit what has just taken the place of the first one: a button that cancels what
// the first click started, a row that moved up, the dialog that it opened, or what was below one that it closed.

import { closestTo } from './dom.js';

const CONTROLS = ':is(a, button, summary, label, input, select, textarea)';

/** Ignore the further clicks of a series, unless they hit the same control as the first one, or none as well. */
export function installDoubleClickGuard() {
  /** @type {Element | null} */
  let first = null;
  /** @param {MouseEvent} event */
  const guard = (event) => {
    const control = controlOf(event);
    // Clicks by keyboard or script have the count 0.
    if (event.detail < 2) {
      first = control;
    } else if (control !== first) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  };
  document.addEventListener('click', guard, { capture: true });
}

/**
 * Return the control that a click is for. A click on a label is one on its control, which gets a click of its own.
 * @param {Event} event
 * @returns {Element | null}
 */
function controlOf(event) {
  const control = closestTo(event, CONTROLS);
  return control instanceof HTMLLabelElement ? (control.control ?? control) : control;
}
