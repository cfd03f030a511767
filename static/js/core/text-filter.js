// A text field that filters a list through the address, as it is typed.

import { debounce, h } from './dom.js';
import { setQuery } from './router.js';

const TYPING_PAUSE_MS = 250;

/**
 * @param {string} name of the parameter
 * @param {Record<string, undefined>} fromTheStart parameters that another filter makes obsolete, such as the page
 * @param {object} attributes of the input, and its `testid`
 * @returns {{name: string, input: HTMLInputElement, show: (value: string) => void, reset: () => void, cancel: () => void}}
 */
export function textFilter(name, fromTheStart, { testid, ...attributes }) {
  let isTyping = false;
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
  const onKey = (event) => {
    if (event.key === 'Enter') write();
    if (event.key !== 'Escape' || !input.value) return;
    event.preventDefault();
    input.value = '';
    write();
  };
  const input = h('input', {
    class: 'input', autocomplete: 'off', spellcheck: 'false', maxlength: 500, dir: 'auto', ...attributes, data: { testid },
    // A change comes with the end of the typing, before another field takes over.
    on: { input: typed, change: () => write({ replace: true }), search: () => write(), keydown: onKey },
  });
  const show = (value) => {
    // What is being typed is newer than the address, and may end with a space that the address leaves out.
    if (!isTyping && input.value.trim() !== value) input.value = value;
  };
  const reset = () => {
    isTyping = false;
    later.cancel();
    input.value = '';
  };
  return { name, input, show, reset, cancel: later.cancel };
}
