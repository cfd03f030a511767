// The bar of actions on the selected products. Each button names its effect; a narrow window shows only the verb.

import { h, setText } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { menuButton, menuItem } from '../core/menu.js';
import { createSelectionBar } from '../core/selection-bar.js';
import { may } from '../core/session.js';
import { EXPORT_FORMATS } from './export.js';

/** @import { BulkDetails } from '../core/types.d.ts' */
/** @import { ExportFormat } from './export.js' */

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
export const ACTIONS = [
  ['activate', t('products.action.activate')],
  ['deactivate', t('products.action.deactivate')],
  ['set', t('products.action.set')],
  ['delete', t('products.action.delete')],
];

/**
 * Create the bar. It is hidden while nothing is selected.
 * @param {object} actions
 * @param {(action: BulkAction) => void} actions.onAction
 * @param {(format: ExportFormat) => void} actions.onExport
 * @param {() => void} actions.onEverything
 * @param {() => void} actions.onClear
 * @returns {{element: HTMLElement, show: (state: SelectionState) => void}}
 */
export function actionBar({ onAction, onExport, onEverything, onClear }) {
  const buttons = ACTIONS.map(([action, verb]) => {
    const isCounted = action !== 'set';
    const full = h('span', { class: 'full' });
    /** @type {HTMLButtonElement} */
    const button = h(
      'button',
      {
        class: `button button-small ${action === 'delete' ? 'button-danger-quiet' : ''}`.trim(),
        type: 'button',
        data: { testid: `bulk-${action}` },
        on: { click: () => button.getAttribute('aria-disabled') !== 'true' && onAction(action) },
      },
      isCounted ? [h('span', { class: 'verb', 'aria-hidden': 'true', text: verb }), full] : verb,
    );
    /** @param {number} count */
    const name = (count) => isCounted && setText(full, t('products.bulk.ok', { change: action, count }));
    return { action, button, name };
  });
  const exporting = menuButton({
    face: [icon('download'), h('span', { class: 'label', text: t('products.export.label') })],
    label: t('products.selection.export'),
    look: 'button-small',
    testid: 'export-selected',
    items: EXPORT_FORMATS.map(([format, label]) =>
      menuItem({ run: () => onExport(format), testid: `export-selected-${format.replace('.', '-')}` }, label),
    ),
  });
  const bar = createSelectionBar({
    label: t('products.selection.label'),
    clearTitle: t('products.selection.clear_hint'),
    onEverything,
    onClear,
    buttons: [exporting, ...buttons.map(({ button }) => button)],
  });

  /** @param {SelectionState} state */
  const show = (state) => {
    const offers = !state.isEverything && state.isPage && state.total > state.count;
    bar.show({
      count: state.count,
      text: describe(state),
      everything: offers
        ? t('products.selection.select_all', {
            isEstimate: state.isEstimate,
            count: state.total,
            isFiltered: state.filtered,
          })
        : undefined,
    });
    for (const { action, button, name } of buttons) {
      name(state.count);
      button.hidden = !may('products:write') || (action === 'delete' && !state.mayDelete);
      button.setAttribute('aria-disabled', String(state.busy));
    }
  };
  return { element: bar.element, show };
}

/** @param {SelectionState} state */
function describe({ count, isEverything, filtered, isPage }) {
  if (isEverything) return t('products.selection.everything', { count, isFiltered: filtered });
  if (isPage && count > 1) return t('products.selection.page', { count });
  return t('products.selection.selected', { count });
}
