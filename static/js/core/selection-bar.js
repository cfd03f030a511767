// The bar below a list while some of its rows are selected: how many, all that match, and what to do with them.

import { h, setText } from './dom.js';
import { t } from './i18n.js';
import { icon } from './icons.js';

/**
 * @typedef {object} SelectionText
 * @property {number} count of the selected rows; the bar is hidden without any
 * @property {string} text says what is selected
 * @property {string} [everything] offers to select every row that matches; without it, nothing is offered
 */

/**
 * Create the bar. It is hidden until something is selected.
 * @param {object} options
 * @param {string} options.label accessible name
 * @param {string} [options.clearTitle]
 * @param {() => void} options.onEverything
 * @param {() => void} options.onClear
 * @param {HTMLElement[]} options.buttons what to do with the selected rows
 * @returns {{element: HTMLElement, show: (state: SelectionText) => void}}
 */
export function createSelectionBar({ label, clearTitle = t('core.selection.clear'), onEverything, onClear, buttons }) {
  const count = h('p', {
    class: 'selection-count tabular',
    'aria-live': 'polite',
    data: { testid: 'selection-count' },
  });
  const everything = h('button', {
    class: 'link-button select-everything',
    type: 'button',
    data: { testid: 'select-all-matching' },
    on: { click: onEverything },
  });
  const clear = h(
    'button',
    {
      class: 'icon-button',
      type: 'button',
      'aria-label': t('core.selection.clear'),
      title: clearTitle,
      data: { testid: 'clear-selection' },
      on: { click: onClear },
    },
    icon('cross'),
  );
  const element = h(
    'div',
    { class: 'action-bar', role: 'region', 'aria-label': label, hidden: true, data: { testid: 'action-bar' } },
    h('div', { class: 'selection' }, clear, count, everything),
    h('div', { class: 'action-buttons' }, buttons),
  );
  /** @param {SelectionText} state */
  const show = (state) => {
    element.hidden = state.count === 0;
    setText(count, state.text);
    everything.hidden = !state.everything;
    if (state.everything) setText(everything, state.everything);
  };
  return { element, show };
}
