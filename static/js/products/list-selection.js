// The selected products of the list, their bar, and what can be done with them.

import { messageOf, nextStep } from '../core/api.js';
import { clearBanner, showBanner } from '../core/banner.js';
import { t } from '../core/i18n.js';
import { createSelection } from '../core/selection.js';
import { may } from '../core/session.js';
import { actionBar } from './action-bar.js';
import { createBulkController } from './bulk-controller.js';
import { exportChosen, exportMatching } from './export.js';
import { UNDOABLE_COUNT } from './undoable-deletes.js';

/** @import { Product, ProductPagination } from '../core/types.d.ts' */
/** @import { BulkAction } from './action-bar.js' */
/** @import { Target } from './bulk-actions.js' */
/** @import { ExportFormat } from './export.js' */
/** @import { createProductGrid } from './grid.js' */
/** @import { createPageLoader } from './page-loader.js' */

const BANNER_KEY = 'products-selection';

/**
 * Create the selection. The grid and the loader are asked for when they are needed, because they need the selection.
 * @param {object} options
 * @param {() => ReturnType<typeof createProductGrid>} options.grid
 * @param {() => ReturnType<typeof createPageLoader>} options.list
 * @param {() => {pagination: ProductPagination, filtered: boolean} | null} options.shown the page that is shown
 * @param {(products: Product[]) => void} options.remove deletes a few products
 */
export function createListSelection({ grid, list, shown, remove }) {
  let busy = false;
  /** @type {ReturnType<typeof createSelection<Product>>} */
  const selection = createSelection(show);
  const bulk = createBulkController({ target, onBusy: showBusy, onDone: endBulk });
  const bar = actionBar({ onAction: act, onExport: exportSelected, onEverything: selectEverything, onClear: clear });

  const isPageSelected = () => {
    const products = grid().products();
    return selection.count() === products.length && products.every((product) => selection.has(product.id));
  };
  const mayDelete = () => !(selection.isEverything() && !shown()?.filtered) || may('admin');

  function show() {
    const { pagination, filtered = false } = shown() ?? {};
    grid().showSelection(selection.has);
    bar.show({
      count: selection.count(),
      isEverything: selection.isEverything(),
      filtered,
      isPage: isPageSelected(),
      total: pagination?.total ?? 0,
      isEstimate: Boolean(pagination?.total_is_estimate),
      busy,
      mayDelete: mayDelete(),
    });
  }

  async function selectEverything() {
    try {
      selection.selectEverything(await list().countExactly());
      grid().focus();
    } catch (error) {
      showBanner({
        key: BANNER_KEY,
        title: t('products.selection.not_counted', { reason: messageOf(error) }),
        detail: nextStep(error),
      });
    }
  }

  function clear() {
    selection.clear();
    grid().focus();
  }

  /** @returns {Target} */
  function target() {
    const count = selection.count();
    return selection.isEverything() ? { count, filter: list().filters() } : { count, ids: selection.ids() };
  }

  /** @param {BulkAction} action */
  function act(action) {
    const isSmall = !selection.isEverything() && selection.count() <= UNDOABLE_COUNT;
    if (action === 'delete' && isSmall) remove(selection.items());
    else bulk.act(action);
  }

  /** @param {ExportFormat} format */
  async function exportSelected(format) {
    clearBanner(BANNER_KEY);
    if (selection.isEverything()) return exportMatching(list().filters(), format);
    try {
      return await exportChosen(selection.ids(), format);
    } catch (error) {
      return showBanner({
        key: BANNER_KEY,
        title: t('products.selection.not_exported', { reason: messageOf(error) }),
        detail: nextStep(error),
      });
    }
  }

  /** @param {boolean} isBusy */
  function showBusy(isBusy) {
    busy = isBusy;
    show();
  }

  function endBulk() {
    selection.clear();
    list().load();
    grid().focus();
  }

  return {
    element: bar.element,
    selection,
    show,
    clear,
    state: () => ({ selected: selection.count(), busy, mayDelete: mayDelete() }),
    actions: {
      act,
      exportSelected,
      selectEverything,
      clearSelection: clear,
      selectPage: () => selection.togglePage(grid().products(), true),
      deleteAll: bulk.deleteAll,
    },
    stop: () => clearBanner(BANNER_KEY),
  };
}
