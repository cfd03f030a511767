// What can be done with the selected products. It names what will happen.

import { h, setText } from '../core/dom.js';
import { formatCount, formatNumber } from '../core/format.js';
import { icon } from '../core/icons.js';

const ACTIONS = [
  ['activate', 'Activate'],
  ['deactivate', 'Deactivate'],
  ['delete', 'Delete'],
];

/**
 * @param {object} actions
 * @param {(action: 'activate'|'deactivate'|'delete') => void} actions.onAction
 * @param {() => void} actions.onEverything
 * @param {() => void} actions.onClear
 * @returns {{element: HTMLElement, show: (state: object) => void}}
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
      what,
    );
    return { button, what };
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

  /**
   * @param {{count: number, isEverything: boolean, filtered: boolean, isPage: boolean, total: number, isEstimate:
   *   boolean, busy: boolean}} state
   */
  const show = (state) => {
    element.hidden = state.count === 0;
    const products = formatCount(state.count, 'product');
    setText(count, describe(state));
    const offers = !state.isEverything && state.isPage && state.total > state.count;
    everything.hidden = !offers;
    const total = `${state.isEstimate ? 'about ' : ''}${formatNumber(state.total)}`;
    if (offers) setText(everything, state.filtered ? `Select all ${total} that match` : `Select all ${total}`);
    for (const { button, what } of buttons) {
      setText(what, products);
      button.setAttribute('aria-disabled', String(state.busy));
    }
  };
  return { element, show };
}

function describe({ count, isEverything, filtered, isPage }) {
  if (isEverything) return `All ${formatNumber(count)} ${filtered ? 'that match ' : ''}are selected`;
  if (isPage && count > 1) return `All ${formatNumber(count)} on this page are selected`;
  return `${formatNumber(count)} selected`;
}
