// A text field that filters a list through the address while someone types.

import { debounce, h } from './dom.js';
import { setQuery } from './router.js';

const TYPING_PAUSE_MS = 250;

/**
 * @typedef {object} TextFilter
 * @property {string} name of the parameter
 * @property {HTMLInputElement} input
 * @property {(value: string) => void} show Show the value of the address.
 * @property {() => void} reset Empty the field without changing the address.
 * @property {() => void} cancel Discard typed text that was not applied yet.
 */

/**
 * Create a filter.
 * @param {string} name of the parameter
 * @param {Record<string, undefined>} fromTheStart parameters to remove when the filter changes, such as the page
 * @param {{testid: string, [attribute: string]: unknown}} attributes of the input
 * @returns {TextFilter}
 */
export function textFilter(name, fromTheStart, { testid, ...attributes }) {
  let isTyping = false;
  /** @param {{replace?: boolean}} [options] */
  const write = (options) => {
    isTyping = false;
    later.cancel();
    setQuery({ [name]: input.value.trim() || undefined, ...fromTheStart }, options);
  };
  const later = debounce(() => write({ replace: true }), TYPING_PAUSE_MS);
  const typed = () => {
    isTyping = true;
    later();
  };
  /** @param {KeyboardEvent} event */
  const onKey = (event) => {
    if (event.key === 'Enter') write();
    if (event.key !== 'Escape' || !input.value) return;
    event.preventDefault();
    input.value = '';
    write();
  };
  const input = h('input', {
    class: 'input',
    autocomplete: 'off',
    spellcheck: 'false',
    maxlength: 500,
    dir: 'auto',
    ...attributes,
    data: { testid },
    // "change" fires when the typing ends, before another field gets the focus.
    on: { input: typed, change: () => write({ replace: true }), search: () => write(), keydown: onKey },
  });
  /** @param {string} value */
  const show = (value) => {
    // The typed text is newer than the address, and may end with a space that the address leaves out.
    if (!isTyping && input.value.trim() !== value) input.value = value;
  };
  const reset = () => {
    isTyping = false;
    later.cancel();
    input.value = '';
  };
  return { name, input, show, reset, cancel: later.cancel };
}
