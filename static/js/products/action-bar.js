// The bar of actions on the selected products. Each button names its effect.

import { h, setText } from '../core/dom.js';
import { formatCount, formatNumber } from '../core/format.js';
import { icon } from '../core/icons.js';

/** @import { BulkDetails } from '../core/types.d.ts' */

/** @typedef {BulkDetails['action']} BulkAction */

/**
 * @typedef {object} SelectionState
 * @property {number} count of selected products
 * @property {boolean} isEverything whether all products that match the filter are selected
 * @property {boolean} filtered whether there is a filter
 * @property {boolean} isPage whether exactly the products of this page are selected
 * @property {number} total of products that match
 * @property {boolean} isEstimate whether `total` is an estimate
 * @property {boolean} busy whether an action is running
 * @property {boolean} mayDelete whether the person may delete what is selected
 */

/** @type {[action: BulkAction, verb: string][]} */
const ACTIONS = [
  ['activate', 'Activate'],
  ['deactivate', 'Deactivate'],
  ['set', 'Set field…'],
  ['delete', 'Delete'],
];

/**
 * Create the bar. It is hidden while nothing is selected.
 * @param {object} actions
 * @param {(action: BulkAction) => void} actions.onAction
 * @param {() => void} actions.onEverything
 * @param {() => void} actions.onClear
 * @returns {{element: HTMLElement, show: (state: SelectionState) => void}}
 */
export function actionBar({ onAction, onEverything, onClear }) {
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
      'aria-label': 'Clear selection',
      title: 'Clear selection (Esc)',
      data: { testid: 'clear-selection' },
      on: { click: onClear },
    },
    icon('cross'),
  );
  const buttons = ACTIONS.map(([action, verb]) => {
    const what = h('span', { class: 'what' });
    /** @type {HTMLButtonElement} */
    const button = h(
      'button',
      {
        class: `button button-small ${action === 'delete' ? 'button-danger-quiet' : ''}`.trim(),
        type: 'button',
        data: { testid: `bulk-${action}` },
        on: { click: () => button.getAttribute('aria-disabled') !== 'true' && onAction(action) },
      },
      h('span', { text: verb }),
      ' ',
      action === 'set' ? null : what,
    );
    return { action, button, what };
  });
  const element = h(
    'div',
    {
      class: 'action-bar',
      role: 'region',
      'aria-label': 'Selected products',
      hidden: true,
      data: { testid: 'action-bar' },
    },
    h('div', { class: 'selection' }, clear, count, everything),
    h(
      'div',
      { class: 'action-buttons' },
      buttons.map(({ button }) => button),
    ),
  );

  /** @param {SelectionState} state */
  const show = (state) => {
    element.hidden = state.count === 0;
    const products = formatCount(state.count, 'product');
    setText(count, describe(state));
    const offers = !state.isEverything && state.isPage && state.total > state.count;
    everything.hidden = !offers;
    const total = `${state.isEstimate ? 'about ' : ''}${formatNumber(state.total)}`;
    if (offers) setText(everything, state.filtered ? `Select all ${total} that match` : `Select all ${total}`);
    for (const { action, button, what } of buttons) {
      setText(what, products);
      button.hidden = action === 'delete' && !state.mayDelete;
      button.setAttribute('aria-disabled', String(state.busy));
    }
  };
  return { element, show };
}

/** @param {SelectionState} state */
function describe({ count, isEverything, filtered, isPage }) {
  if (isEverything) return `All ${formatNumber(count)} ${filtered ? 'that match ' : ''}are selected`;
  if (isPage && count > 1) return `All ${formatNumber(count)} on this page are selected`;
  return `${formatNumber(count)} selected`;
}
