// The products screen. Its whole state is in the address: #/products?page=2&per_page=50&q=lamp&active=true&sort_by=name

import { announce } from '../core/announcer.js';
import { NetworkError, messageOf, nextStep } from '../core/api.js';
import { importFinished, jobStarted } from '../core/app-events.js';
import { clearBanner, showBanner } from '../core/banner.js';
import { followChanges } from '../core/change-stream.js';
import { reconnected } from '../core/connection.js';
import { closestTo, h } from '../core/dom.js';
import { formatCount, oneLine } from '../core/format.js';
import { createPager } from '../core/pager.js';
import { go, setQuery } from '../core/router.js';
import { createSelection } from '../core/selection.js';
import { may } from '../core/session.js';
import { toast } from '../core/toast.js';
import { refreshTimes } from '../core/widgets.js';
import { actionBar } from './action-bar.js';
import { createBulkController, isOwnJob, isOwnJobRunning } from './bulk-controller.js';
import { createCellEditing } from './cell-editor.js';
import { createChangesOffer } from './changes-offer.js';
import { openProduct } from './dialog.js';
import { noProducts, nothingMatches } from './empty-states.js';
import { FIELD_LABELS } from './edit-conflict.js';
import { createFilterBar } from './filters.js';
import { createProductGrid } from './grid.js';
import { createProductHeader } from './header.js';
import { createPageLoader } from './page-loader.js';
import { DEFAULT_SIZE, FROM_THE_START, PAGE_SIZES, filterKey, sortOf } from './query.js';
import { wordsOf } from './search-terms.js';
import { UNDOABLE_COUNT, deleteWithUndo, deletesChanged, lastDeletionAt, undoDeletion } from './undoable-deletes.js';
import { undoKey } from './undo-stack.js';
import { lastEditAt, redoEdit, undoEdit } from './undoable-edits.js';

/** @import { Screen } from '../core/router.js' */
/** @import { Product, ProductPagination } from '../core/types.d.ts' */
/** @import { BulkAction } from './action-bar.js' */
/** @import { Target } from './bulk-actions.js' */
/** @import { FieldName, FieldValues } from './edit-conflict.js' */
/** @import { LoadedPage } from './page-loader.js' */

const BANNER_KEY = 'products-list';
const TIMES_MS = 30_000;

/** @type {ReturnType<typeof createScreen> | null} */
let mounted = null;

/**
 * Create the panel of the bulk changes that are running.
 * @typedef {(options: {onFocusLost: () => void}) => {element: HTMLElement, stop: () => void}} CreatePanel
 */

/** @type {(createPanel: CreatePanel) => Screen & {focusSearch: () => void, createProduct: () => void}} */
export const createProductsScreen = (createPanel) => ({
  mount(root, { query }) {
    document.title = 'Products · Acme Product Importer';
    const created = createScreen(root, createPanel);
    mounted = created;
    created.update(query);
    return {
      update: (location) => created.update(location.query),
      unmount: () => {
        created.stop();
        mounted = null;
      },
    };
  },
  focusSearch() {
    const focus = () => {
      const search = document.getElementById('product-search');
      if (search instanceof HTMLInputElement) search.select();
    };
    if (mounted) return focus();
    // The router added its listener first, so the screen is mounted when this one runs.
    window.addEventListener('hashchange', focus, { once: true });
    return go('#/products');
  },
  createProduct: () => mounted?.create(),
});

/**
 * @param {HTMLElement} root
 * @param {CreatePanel} createPanel
 */
function createScreen(root, createPanel) {
  /** @type {{pagination: ProductPagination, filtered: boolean} | null} */
  let current = null;
  let busy = false;
  const mayEdit = may('products:write');
  /** @type {URLSearchParams | null} */
  let firstQuery = null;

  const bulk = createBulkController({ target, onBusy: showBusy, onDone: endBulk });
  const head = createProductHeader({ onNew: create, onDeleteAll: bulk.deleteAll });
  const filters = createFilterBar();
  /** @type {ReturnType<typeof createSelection<Product>>} */
  const selection = createSelection(showSelection);
  const grid = createProductGrid({
    onSort: (sort) =>
      setQuery({ sort_by: sort?.by, sort_order: sort?.order === 'desc' ? 'desc' : undefined, ...FROM_THE_START }),
    onEdit: (row, field) => (mayEdit ? editing.edit(row, field) : open(row.product)),
    onToggle: (row) => mayEdit && editing.toggle(row),
    onOpen: (row) => open(row.product),
    onSelect: (row, options) => mayEdit && selection.toggle(row.product, grid.products(), options),
    onSelectPage: (selected) => selection.togglePage(grid.products(), selected),
    onRemoved: (row) => editing.release(row),
  });
  const editing = createCellEditing({
    rowsInOrder: grid.rowsInOrder,
    focus: (row, column) => grid.focus(row.product.id, column),
    onSeen: (latest) => list.see(latest),
    onOrphan: keepText,
  });
  const bar = actionBar({ onAction: act, onEverything: selectEverything, onClear: clearSelection });
  const pager = createPager({
    label: 'products',
    sizes: PAGE_SIZES,
    onPage(page) {
      const { page: shown = 1, next } = current?.pagination ?? {};
      setQuery({ page: page > 1 ? page : undefined, after: page === shown + 1 ? (next ?? undefined) : undefined });
    },
    // A new page size starts at the first page, because the same page number would show other products.
    onSize: (size) => setQuery({ per_page: size === DEFAULT_SIZE ? undefined : size, ...FROM_THE_START }),
  });
  const panel = createPanel({ onFocusLost: () => grid.focus() });
  const offer = createChangesOffer({
    onShow: () => list.load(),
    onFocusLost: () => grid.focus(),
  });
  pager.element.classList.add('is-pending');
  const element = h(
    'div',
    { class: 'screen screen-products' },
    head.element,
    filters.element,
    panel.element,
    h('div', { class: 'card table-fill' }, offer.element, grid.element, bar.element, pager.element),
  );
  root.append(element);
  grid.showSelection(selection.has);

  const list = createPageLoader({
    onLoading(wanted) {
      filters.show(wanted);
      grid.showLoading();
    },
    onPage: showPage,
    onBeyond: (last) => setQuery({ page: last > 1 ? last : undefined, after: undefined }, { replace: true }),
    onBadToken: () => setQuery({ after: undefined }, { replace: true }),
    onFailed: showError,
    onOffer: offer.show,
    onTotal: showTotal,
    shownProducts: () => grid.products(),
  });

  /** @param {URLSearchParams} query */
  function update(query) {
    const key = filterKey(list.filters());
    grid.showSort(sortOf(query));
    list.load(query);
    // An action must not change products that a new filter hides.
    if (firstQuery && filterKey(list.filters()) !== key) selection.clear();
    firstQuery ??= query;
  }

  /** @param {LoadedPage} page */
  function showPage({ products, pagination, isNew }) {
    clearBanner(BANNER_KEY);
    const filtered = hasFilters();
    showTotal(pagination);
    pager.element.classList.remove('is-pending');
    pager.element.hidden = pagination.total === 0;
    filters.showClear(filtered && pagination.total > 0);
    if (products.length) grid.show(products, { fromTop: isNew, words: wordsOf(list.filters()) });
    else if (pagination.total && pagination.page > 1) {
      setQuery({ page: pagination.page - 1, after: undefined }, { replace: true });
    } else if (pagination.total) grid.show([]);
    else grid.showInstead(filtered ? nothingMatches(filters.clear) : noProducts(create));
    showSelection();
    if (filtered && isNew) announce(`${formatCount(pagination.total, 'product')} found`);
  }

  /** @param {ProductPagination} pagination */
  function showTotal(pagination) {
    current = { pagination, filtered: hasFilters() };
    head.show({ total: pagination.total, isEstimate: Boolean(pagination.total_is_estimate), filters: list.filters() });
    pager.show(pagination);
    showSelection();
  }

  const hasFilters = () => Object.keys(list.filters()).length > 0;

  /** @param {unknown} error */
  function showError(error) {
    grid.showFailure();
    // The connection banner reports it, and `reconnected` loads again.
    if (error instanceof NetworkError) return;
    showBanner({
      key: BANNER_KEY,
      title: `The products could not be loaded. ${messageOf(error)}`,
      detail: nextStep(error),
      action: { label: 'Try again', run: () => list.load() },
    });
  }

  // Selection

  const isPageSelected = () =>
    selection.count() === grid.products().length && grid.products().every((product) => selection.has(product.id));

  function showSelection() {
    grid.showSelection(selection.has);
    bar.show({
      count: selection.count(),
      isEverything: selection.isEverything(),
      filtered: Boolean(current?.filtered),
      isPage: isPageSelected(),
      total: current?.pagination.total ?? 0,
      isEstimate: Boolean(current?.pagination.total_is_estimate),
      busy,
      mayDelete: !(selection.isEverything() && !current?.filtered) || may('admin'),
    });
  }

  async function selectEverything() {
    try {
      selection.selectEverything(await list.countExactly());
      grid.focus();
    } catch (error) {
      showBanner({
        key: BANNER_KEY,
        title: `The products could not be counted. ${messageOf(error)}`,
        detail: nextStep(error),
      });
    }
  }

  function clearSelection() {
    selection.clear();
    grid.focus();
  }

  /** @returns {Target} */
  function target() {
    const count = selection.count();
    return selection.isEverything() ? { count, filter: list.filters() } : { count, ids: selection.ids() };
  }

  /** @param {BulkAction} action */
  function act(action) {
    const isSmall = !selection.isEverything() && selection.count() <= UNDOABLE_COUNT;
    if (action === 'delete' && isSmall) remove(selection.items());
    else bulk.act(action);
  }

  /** @param {boolean} isBusy */
  function showBusy(isBusy) {
    busy = isBusy;
    showSelection();
  }

  function endBulk() {
    selection.clear();
    list.load();
    grid.focus();
  }

  /** @param {Product[]} products */
  function remove(products) {
    const rows = grid.products();
    const index = Math.max(
      0,
      rows.findIndex((product) => product.id === products[0]?.id),
    );
    selection.forget(products.map((product) => product.id));
    deleteWithUndo(products, filterKey(list.filters()));
    grid.focusNear(index);
  }

  // One product

  /**
   * @param {Product} product
   * @param {FieldValues} [draft]
   */
  function open(product, draft = {}) {
    openProduct({
      product,
      draft,
      onDelete: (latest) => remove([latest]),
      onSeen(latest) {
        grid.row(latest.id)?.update(latest);
        list.see(latest);
      },
      onSaved(saved) {
        grid.row(saved.id)?.update(saved);
        toast('Product saved');
      },
    });
  }

  function create() {
    if (!mayEdit) return;
    openProduct({
      product: null,
      onSaved(saved) {
        const href = `#/products?${new URLSearchParams({ sku: saved.sku })}`;
        toast([h('bdi', { text: oneLine(saved.sku, 40) }), ' created'], { label: 'Show', href });
      },
    });
  }

  /**
   * Offer a value that could not be saved, after its row has left the page.
   * @param {Product} product
   * @param {FieldName} field
   * @param {string | boolean} value
   * @param {string} problem
   */
  function keepText(product, field, value, problem) {
    const key = `draft-${product.id}-${field}`;
    const reopen = () => {
      clearBanner(key);
      open(product, { [field]: value });
    };
    showBanner({
      key,
      title: [`${FIELD_LABELS[field]} of `, h('bdi', { text: oneLine(product.sku, 60) }), ' was not saved.'],
      detail: problem,
      action: { label: 'Open', run: reopen },
    });
  }

  /** @param {'undo' | 'redo'} wanted */
  async function undo(wanted) {
    if (wanted === 'undo' && lastDeletionAt() > lastEditAt()) return undoDeletion();
    const saved = await (wanted === 'undo' ? undoEdit() : redoEdit());
    if (saved) grid.row(saved.id)?.update(saved);
    return undefined;
  }

  /**
   * Return whether a key belongs to a text field or a dialog, which may have an undo of its own.
   * @param {KeyboardEvent} event
   */
  const isElsewhere = (event) =>
    closestTo(event, 'textarea, select, [contenteditable], input:not([type=checkbox])') !== null ||
    document.querySelector('dialog[open]') !== null;

  /** @param {KeyboardEvent} event */
  const onKey = (event) => {
    const wanted = undoKey(event);
    if (wanted && mayEdit && !event.repeat && !isElsewhere(event)) {
      event.preventDefault();
      undo(wanted);
    }
    const isHandled = event.defaultPrevented || document.querySelector('dialog[open], :popover-open');
    if (event.key !== 'Escape' || isHandled || !selection.count()) return;
    event.preventDefault();
    clearSelection();
  };
  document.addEventListener('keydown', onKey);
  const stopImports = importFinished.subscribe((job) => {
    if (isOwnJob(job)) return list.load();
    offer.setJob(job);
    return list.check();
  });
  // The button of the notice that has started the job has disappeared.
  const stopJobs = jobStarted.subscribe(() => document.activeElement === document.body && grid.focus());
  const stopReconnect = reconnected.subscribe(() => list.load());
  // The undo button has disappeared, so the grid takes the focus.
  const stopDeletes = deletesChanged.subscribe(
    ({ isRestored }) => isRestored && document.activeElement === document.body && grid.focus(),
  );
  // A bulk change of this page is no news: the list is loaded at its end.
  const stopStream = followChanges('products', () => isOwnJobRunning() || list.check());
  const timer = setInterval(() => refreshTimes(grid.element), TIMES_MS);

  function stop() {
    grid.rowsInOrder().forEach(editing.release);
    clearInterval(timer);
    document.removeEventListener('keydown', onKey);
    stopImports();
    stopJobs();
    panel.stop();
    stopReconnect();
    stopDeletes();
    stopStream();
    list.stop();
    filters.stop();
    clearBanner(BANNER_KEY);
  }
  return { update, create, stop };
}
