// A search field above a list that is not in the address. It searches while someone types.

import { debounce, h } from './dom.js';
import { t } from './i18n.js';
import { icon } from './icons.js';

const TYPING_PAUSE_MS = 250;
/** As long as the API allows. */
const MAX_CHARACTERS = 200;

/**
 * Create the field.
 * @param {object} options
 * @param {string} options.label name for screen readers
 * @param {string} options.testid
 * @param {() => void} options.onSearch called when the text has changed
 * @returns {{element: HTMLElement, value: () => string, markApplied: () => void}} call `markApplied` when another
 *   control loads the list from its start, so that the text that was typed just before does not load it once more
 */
export function createPanelSearch({ label, testid, onSearch }) {
  let searched = '';
  const value = () => input.value.trim();
  const markApplied = () => {
    later.cancel();
    searched = value();
  };
  const search = () => {
    if (value() !== searched) onSearch();
    markApplied();
  };
  const later = debounce(search, TYPING_PAUSE_MS);
  const input = h('input', {
    class: 'input',
    type: 'search',
    placeholder: t('common.search'),
    'aria-label': label,
    autocomplete: 'off',
    spellcheck: 'false',
    maxlength: MAX_CHARACTERS,
    dir: 'auto',
    data: { testid },
    on: { input: later, change: search, search },
  });
  return { element: h('div', { class: 'search-box' }, input, icon('search')), value, markApplied };
}
