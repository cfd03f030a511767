// The products screen. Its whole state is in the address: #/products?page=2&per_page=50&q=lamp&active=true&sort_by=name

import { announce } from '../core/announcer.js';
import { NetworkError, messageOf, nextStep } from '../core/api.js';
import { importFinished, jobStarted } from '../core/app-events.js';
import { clearBanner, showBanner } from '../core/banner.js';
import { followChanges } from '../core/change-stream.js';
import { reconnected } from '../core/connection.js';
import { provideCommands } from '../core/commands.js';
import { h } from '../core/dom.js';
import { oneLine } from '../core/format.js';
import { t, tRich } from '../core/i18n.js';
import { createPager } from '../core/pager.js';
import { go, setQuery } from '../core/router.js';
import { may } from '../core/session.js';
import { toast } from '../core/toast.js';
import { refreshTimes } from '../core/widgets.js';
import { installBlockClipboard } from './block-clipboard.js';
import { isOwnJob, isOwnJobRunning } from './bulk-controller.js';
import { createCellEditing } from './cell-editor.js';
import { createChangesOffer } from './changes-offer.js';
import { openProduct } from './dialog.js';
import { noProducts, nothingMatches } from './empty-states.js';
import { FIELD_LABELS } from './edit-conflict.js';
import { createFilterBar } from './filters.js';
import { createProductGrid } from './grid.js';
import { createProductHeader } from './header.js';
import { createListSelection } from './list-selection.js';
import { createPageLoader } from './page-loader.js';
import { productCommands } from './product-commands.js';
import { createProductDialogs } from './product-dialogs.js';
import { DEFAULT_SIZE, FROM_THE_START, PAGE_SIZES, filterKey, pageQuery, sortOf } from './query.js';
import { listCommands } from './screen-commands.js';
import { wordsOf } from './search-terms.js';
import { deleteWithUndo, deletesChanged, lastDeletionAt, undoDeletion } from './undoable-deletes.js';
import { lastEditAt, redoEdit, undoEdit } from './undoable-edits.js';
import { createViews } from './views.js';

/** @import { Command } from '../core/commands.js' */
/** @import { Screen, ScreenLocation } from '../core/router.js' */
/** @import { Product, ProductPagination } from '../core/types.d.ts' */
/** @import { FieldName } from './edit-conflict.js' */
/** @import { LoadedPage } from './page-loader.js' */

const BANNER_KEY = 'products-list';
const TIMES_MS = 30_000;

/** @type {ReturnType<typeof createScreen> | null} */
let mounted = null;

/**
 * Create the panel of the bulk changes that are running. It rejects if it cannot be loaded.
 * @typedef {(options: {onFocusLost: () => void}) => Promise<{element: HTMLElement, stop: () => void}>} CreatePanel
 */

/** @type {(createPanel: CreatePanel) => Screen & {commands: () => Command[]}} */
export const createProductsScreen = (createPanel) => ({
  mount(root, location) {
    document.title = t('products.page_title');
    const created = createScreen(root, createPanel);
    mounted = created;
    created.update(location);
    const stopCommands = provideCommands(created.commands);
    return {
      update: created.update,
      unmount: () => {
        stopCommands();
        created.stop();
        mounted = null;
      },
    };
  },
  commands: () => productCommands(onScreen),
});

/**
 * Run something on the products screen, from any screen.
 * @param {(screen: ReturnType<typeof createScreen>) => unknown} run
 */
function onScreen(run) {
  const start = () => mounted && run(mounted);
  if (mounted) return start();
  // The router added its listener first, so the screen is mounted when this one runs.
  window.addEventListener('hashchange', start, { once: true });
  return go('#/products');
}

/**
 * Keep the place of a panel until it is there.
 * @param {ReturnType<CreatePanel>} promise
 */
function laterPanel(promise) {
  const element = h('div', { hidden: true });
  let isStopped = false;
  const created = promise.then(
    (panel) => {
      if (!isStopped) element.replaceWith(panel.element);
      return panel;
    },
    // The page says that a part is missing; the list works without it.
    () => null,
  );
  const stop = async () => {
    isStopped = true;
    (await created)?.stop();
  };
  return { element, stop };
}

/**
 * @param {HTMLElement} root
 * @param {CreatePanel} createPanel
 */
function createScreen(root, createPanel) {
  /** @type {{pagination: ProductPagination, filtered: boolean} | null} */
  let current = null;
  const mayEdit = may('products:write');
  /** @type {string | null} */
  let shownQuery = null;

  const chosen = createListSelection({ grid: () => grid, list: () => list, shown: () => current, remove });
  const { selection } = chosen;
  const head = createProductHeader({ onNew: create, onDeleteAll: chosen.actions.deleteAll });
  const views = createViews({ showLayout: (layout) => grid.showLayout(layout) });
  const filters = createFilterBar({ tools: views.elements });
  const grid = createProductGrid({
    onSort: (sort) =>
      setQuery({ sort_by: sort?.by, sort_order: sort?.order === 'desc' ? 'desc' : undefined, ...FROM_THE_START }),
    onEdit: (row, field) => (mayEdit ? editing.edit(row, field) : dialogs.open(row.product)),
    onToggle: (row) => mayEdit && editing.toggle(row),
    onOpen: (row) => dialogs.open(row.product),
    onSelect: (row, options) => selection.toggle(row.product, grid.products(), options),
    onSelectPage: (selected) => selection.togglePage(grid.products(), selected),
    onRemoved: (row) => editing.release(row),
    onWidths: views.noteWidths,
  });
  const editing = createCellEditing({
    rowsInOrder: grid.rowsInOrder,
    focus: (row, column) => grid.focus(row.product.id, column),
    onSeen: (latest) => list.see(latest),
    onOrphan: keepText,
  });
  /** @param {number} page */
  const turnTo = (page) => setQuery(pageQuery(page, current?.pagination));
  const pager = createPager({
    label: t('products.list.pager'),
    sizes: PAGE_SIZES,
    onPage: turnTo,
    // A new page size starts at the first page, because the same page number would show other products.
    onSize: (size) => setQuery({ per_page: size === DEFAULT_SIZE ? undefined : size, ...FROM_THE_START }),
  });
  const panel = laterPanel(createPanel({ onFocusLost: () => grid.focus() }));
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
    h('div', { class: 'card table-fill' }, offer.element, grid.element, chosen.element, pager.element),
  );
  root.append(element);
  grid.showSelection(selection.has);

  const dialogs = createProductDialogs({
    products: () => grid.products(),
    pagination: () => current?.pagination ?? null,
    turnPage(step) {
      const before = shownQuery;
      setQuery(pageQuery((current?.pagination.page ?? 1) + step, current?.pagination), { replace: true });
      // The page could not be loaded before.
      if (shownQuery === before) list.load();
    },
    focus: (id) => grid.focus(id),
    onDelete: (latest) => remove([latest]),
    onSeen(latest) {
      showVersion(latest);
      list.see(latest);
    },
    onSaved(saved) {
      showVersion(saved);
      toast(t('products.list.saved'));
    },
  });
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

  /** @param {ScreenLocation} location */
  function update(location) {
    if (!views.follow(location)) return;
    const { params, query } = location;
    // The address of a dialog contains the same query as that of its list, which then stays as it is.
    if (String(query) !== shownQuery) showList(query);
    dialogs.follow(params.id, query);
  }

  /** @param {URLSearchParams} query */
  function showList(query) {
    const key = filterKey(list.filters());
    grid.showSort(sortOf(query));
    list.load(query);
    // An action must not change products that a new filter hides.
    if (shownQuery !== null && filterKey(list.filters()) !== key) selection.clear();
    shownQuery = String(query);
  }

  /** @param {LoadedPage} page */
  function showPage({ products, pagination, isNew }) {
    clearBanner(BANNER_KEY);
    const filtered = hasFilters();
    showTotal(pagination);
    pager.element.classList.remove('is-pending');
    pager.element.hidden = pagination.total === 0;
    filters.showClear(filtered && pagination.total > 0);
    if (products.length) {
      grid.show(products, { fromTop: isNew, words: wordsOf(list.filters()), addressOf: dialogs.address });
    } else if (pagination.total && pagination.page > 1) {
      setQuery({ page: pagination.page - 1, after: undefined }, { replace: true });
    } else if (pagination.total) grid.show([]);
    else grid.showInstead(filtered ? nothingMatches(filters.clear) : noProducts(create));
    chosen.show();
    dialogs.pageShown(isNew);
    if (filtered && isNew) announce(t('products.list.found', { count: pagination.total }));
  }

  /** @param {ProductPagination} pagination */
  function showTotal(pagination) {
    current = { pagination, filtered: hasFilters() };
    head.show({ total: pagination.total, isEstimate: Boolean(pagination.total_is_estimate), filters: list.filters() });
    pager.show(pagination);
    chosen.show();
  }

  const hasFilters = () => Object.keys(list.filters()).length > 0;

  /** @param {unknown} error */
  function showError(error) {
    grid.showFailure();
    dialogs.pageFailed(error);
    // The connection banner reports it, and `reconnected` loads again.
    if (error instanceof NetworkError) return;
    showBanner({
      key: BANNER_KEY,
      title: t('products.list.not_loaded', { reason: messageOf(error) }),
      detail: nextStep(error),
      action: { label: t('products.try_again'), run: () => list.load() },
    });
  }

  /** Show the products that were changed last, wherever they are in the list. */
  function showLatest() {
    const before = window.location.hash;
    setQuery({ sort_by: 'updated_at', sort_order: 'desc', ...FROM_THE_START });
    if (window.location.hash === before) list.load();
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

  /** @param {Product} product */
  const showVersion = (product) => grid.row(product.id)?.update(product);

  function create() {
    if (!mayEdit) return;
    openProduct({
      product: null,
      onSaved(saved) {
        const href = `#/products?${new URLSearchParams({ sku: saved.sku })}`;
        toast(tRich('products.list.created', { sku: h('bdi', { text: oneLine(saved.sku, 40) }) }), {
          label: t('products.offer.show'),
          href,
        });
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
      dialogs.open(product, { [field]: value });
    };
    showBanner({
      key,
      title: tRich('products.edit.not_saved', {
        field: FIELD_LABELS[field],
        sku: h('bdi', { text: oneLine(product.sku, 60) }),
      }),
      detail: problem,
      action: { label: t('products.open'), run: reopen },
    });
  }

  /** @param {'undo' | 'redo'} wanted */
  async function undo(wanted) {
    if (wanted === 'undo' && lastDeletionAt() > lastEditAt()) return undoDeletion();
    const products = await (wanted === 'undo' ? undoEdit() : redoEdit());
    return products.forEach(showVersion);
  }
  const stopClipboard = installBlockClipboard({
    grid,
    mayEdit,
    onSeen: (latest) => list.see(latest),
    onUndo: () => undo('undo'),
  });

  /** @param {KeyboardEvent} event */
  const onKey = (event) => {
    const isHandled = event.defaultPrevented || document.querySelector('dialog[open], :popover-open');
    if (event.key !== 'Escape' || isHandled || !selection.count()) return;
    event.preventDefault();
    chosen.clear();
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
    stopClipboard();
    dialogs.stop();
    stopImports();
    stopJobs();
    panel.stop();
    stopReconnect();
    stopDeletes();
    stopStream();
    list.stop();
    filters.stop();
    views.stop();
    chosen.stop();
    clearBanner(BANNER_KEY);
  }

  /** @returns {Command[]} */
  const commands = () => {
    const { total = 0, page = 1, pages = 1 } = current?.pagination ?? {};
    const shown = { filters: list.filters(), total, page, pages, ...chosen.state() };
    return [...listCommands(shown, actions), ...views.commands()];
  };
  const actions = {
    ...chosen.actions,
    openFilters: filters.open,
    clearFilters: filters.clear,
    turnTo,
    showLatest,
  };
  return { update, create, undo, focusSearch: filters.focusSearch, commands, stop };
}
