// The products screen. Its whole state is in the address: #/products?page=2&per_page=50&q=lamp&active=true&sort_by=name

import { announce } from '../core/announcer.js';
import { NetworkError, nextStep } from '../core/api.js';
import { importFinished } from '../core/app-events.js';
import { clearBanner, showBanner } from '../core/banner.js';
import { followChanges } from '../core/change-stream.js';
import { reconnected } from '../core/connection.js';
import { fill, h } from '../core/dom.js';
import { formatCount, oneLine } from '../core/format.js';
import { icon } from '../core/icons.js';
import { createPager } from '../core/pager.js';
import { go, setQuery } from '../core/router.js';
import { toast } from '../core/toast.js';
import { emptyState, refreshTimes } from '../core/widgets.js';
import { actionBar } from './action-bar.js';
import { changeMany, deleteEverything, deleteMany } from './bulk-actions.js';
import { cellEditing } from './cell-editor.js';
import { openProduct } from './dialog.js';
import { FIELD_LABELS } from './edit-conflict.js';
import { filterBar } from './filters.js';
import { productGrid } from './grid.js';
import { productHead } from './header.js';
import { productList } from './page-loader.js';
import { DEFAULT_SIZE, FROM_THE_START, PAGE_SIZES, filterKey, sortOf } from './query.js';
import { createSelection } from './selection.js';
import { UNDOABLE_COUNT, deletesChanged, removeProducts, undoLast } from './undoable-deletes.js';

const BANNER_KEY = 'products-list';
const TIMES_MS = 30_000;

let mounted = null;

/** @type {import('../core/router.js').Screen & {focusSearch: () => void, createProduct: () => void}} */
export const productsScreen = {
  mount(root, { query }) {
    document.title = 'Products · Acme Product Importer';
    mounted = screen(root);
    mounted.update(query);
    return {
      update: (location) => mounted.update(location.query),
      unmount: () => {
        mounted.stop();
        mounted = null;
      },
    };
  },
  focusSearch() {
    const focus = () => document.getElementById('product-search')?.select();
    if (mounted) return focus();
    // The router hears of the new address first and has mounted the screen by then.
    window.addEventListener('hashchange', focus, { once: true });
    return go('#/products');
  },
  createProduct: () => mounted?.create(),
};

function screen(root) {
  let current = null;
  let busy = false;
  let firstQuery = null;

  const head = productHead({ onNew: create, onDeleteAll: deleteAll });
  const filters = filterBar();
  const selection = createSelection(showSelection);
  const grid = productGrid({
    onSort: (sort) =>
      setQuery({ sort_by: sort?.by, sort_order: sort?.order === 'desc' ? 'desc' : undefined, ...FROM_THE_START }),
    onEdit: (row, field) => editing.edit(row, field),
    onToggle: (row) => editing.toggle(row),
    onOpen: (row) => open(row.product),
    onSelect: (row, options) => selection.toggle(row.product, grid.products(), options),
    onSelectPage: (selected) => selection.togglePage(grid.products(), selected),
    onRemoved: (row) => editing.release(row),
  });
  const editing = cellEditing({
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
      const { page: present, next } = current.pagination;
      setQuery({ page: page > 1 ? page : undefined, after: page === present + 1 ? next : undefined });
    },
    // Another size starts at the first page: the same page number would be other products.
    onSize: (size) => setQuery({ per_page: size === DEFAULT_SIZE ? undefined : size, ...FROM_THE_START }),
  });
  const offer = h('div', { class: 'offer', role: 'status' });
  pager.element.classList.add('is-pending');
  const element = h(
    'div',
    { class: 'screen screen-products' },
    head.element,
    filters.element,
    h('div', { class: 'card table-fill' }, offer, grid.element, bar.element, pager.element),
  );
  root.append(element);
  grid.showSelection(selection.has);

  const list = productList({
    onLoading(wanted) {
      filters.show(wanted);
      grid.showLoading();
    },
    onPage: showPage,
    onBeyond: (last) => setQuery({ page: last > 1 ? last : undefined, after: undefined }, { replace: true }),
    onBadCursor: () => setQuery({ after: undefined }, { replace: true }),
    onFailed: showError,
    onOffer: showOffer,
    shownProducts: () => grid.products(),
  });

  function update(query) {
    const key = filterKey(list.filters());
    grid.showSort(sortOf(query));
    list.load(query);
    // What is out of view by a filter must not be changed along with the rest.
    if (firstQuery && filterKey(list.filters()) !== key) selection.clear();
    firstQuery ??= query;
  }

  function showPage({ products, pagination, filters: wanted, isNew }) {
    clearBanner(BANNER_KEY);
    const filtered = Object.keys(wanted).length > 0;
    current = { pagination, filtered };
    head.show({ total: pagination.total, isEstimate: Boolean(pagination.total_is_estimate), filters: wanted });
    pager.show(pagination);
    pager.element.classList.remove('is-pending');
    pager.element.hidden = pagination.total === 0;
    filters.showClear(filtered && pagination.total > 0);
    if (products.length) grid.show(products, { fromTop: isNew });
    else if (pagination.total && pagination.page > 1) {
      setQuery({ page: pagination.page - 1, after: undefined }, { replace: true });
    } else if (pagination.total) grid.show([]);
    else grid.showInstead(filtered ? nothingMatches(filters.clear) : noProducts(create));
    showSelection();
    if (filtered && isNew) announce(`${formatCount(pagination.total, 'product')} found`);
  }

  function showError(error) {
    grid.showFailure();
    // The connection's own banner says it, and `reconnected` loads again.
    if (error instanceof NetworkError) return;
    showBanner({
      key: BANNER_KEY,
      title: `The products could not be loaded. ${error.message}`,
      detail: nextStep(error),
      action: { label: 'Try again', run: () => list.load() },
    });
  }

  function showOffer(wanted) {
    const hadFocus = offer.contains(document.activeElement);
    fill(
      offer,
      wanted &&
        h(
          'div',
          { class: 'offer-pill', data: { testid: 'changes-offer' } },
          icon('refresh'),
          h('span', { text: 'Products have changed.' }),
          h('button', {
            class: 'link-button',
            type: 'button',
            text: 'Show',
            data: { testid: 'changes-show' },
            on: { click: () => list.load() },
          }),
        ),
    );
    if (hadFocus) grid.focus();
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
    });
  }

  async function selectEverything() {
    try {
      selection.selectEverything(await list.countExactly());
      grid.focus();
    } catch (error) {
      showBanner({
        key: BANNER_KEY,
        title: `The products could not be counted. ${error.message}`,
        detail: nextStep(error),
      });
    }
  }

  function clearSelection() {
    selection.clear();
    grid.focus();
  }

  async function act(action) {
    const target = {
      count: selection.count(),
      ...(selection.isEverything() ? { filter: list.filters() } : { ids: selection.ids() }),
    };
    if (action === 'delete' && target.ids && target.count <= UNDOABLE_COUNT) return remove(selection.products());
    busy = true;
    showSelection();
    const done = await run(action, target);
    busy = false;
    showSelection();
    if (done) {
      selection.clear();
      list.load();
      grid.focus();
    }
    return undefined;
  }

  function run(action, target) {
    if (action !== 'delete') return changeMany(action, target);
    return target.filter && !Object.keys(target.filter).length ? deleteEverything(target.count) : deleteMany(target);
  }

  function remove(products) {
    const rows = grid.products();
    const index = Math.max(
      0,
      rows.findIndex((product) => product.id === products[0].id),
    );
    selection.forget(products.map((product) => product.id));
    removeProducts(products, filterKey(list.filters()));
    grid.focusNear(index);
  }

  async function deleteAll() {
    const isWhole = current && !current.filtered && !current.pagination.total_is_estimate;
    if (!(await deleteEverything(isWhole ? current.pagination.total : null))) return;
    selection.clear();
    list.load();
  }

  // One product

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
    openProduct({
      product: null,
      onSaved(saved) {
        const href = `#/products?${new URLSearchParams({ sku: saved.sku })}`;
        toast([h('bdi', { text: oneLine(saved.sku, 40) }), ' created'], { label: 'Show', href });
      },
    });
  }

  // What was typed and not taken, in a row that is no longer shown.
  function keepText(product, field, text, sentence) {
    const key = `draft-${product.id}-${field}`;
    const reopen = () => {
      clearBanner(key);
      open(product, { [field]: text });
    };
    showBanner({
      key,
      title: [`${FIELD_LABELS[field]} of `, h('bdi', { text: oneLine(product.sku, 60) }), ' was not saved.'],
      detail: sentence,
      action: { label: 'Open it', run: reopen },
    });
  }

  const onKey = (event) => {
    const isTyping = event.target.matches('textarea, input:not([type=checkbox])');
    if (event.key === 'z' && (event.ctrlKey || event.metaKey) && !isTyping && undoLast()) event.preventDefault();
    const isElsewhere = event.defaultPrevented || document.querySelector('dialog[open], :popover-open');
    if (event.key !== 'Escape' || isElsewhere || !selection.count()) return;
    event.preventDefault();
    clearSelection();
  };
  document.addEventListener('keydown', onKey);
  const stopImports = importFinished.subscribe(() => list.check());
  const stopReconnect = reconnected.subscribe(() => list.load());
  // The button that brought them back is gone.
  const stopDeletes = deletesChanged.subscribe(
    ({ isRestored }) => isRestored && document.activeElement === document.body && grid.focus(),
  );
  const stopStream = followChanges('/api/products/changes', list.check);
  const timer = setInterval(() => refreshTimes(grid.element), TIMES_MS);

  function stop() {
    grid.rowsInOrder().forEach(editing.release);
    clearInterval(timer);
    document.removeEventListener('keydown', onKey);
    stopImports();
    stopReconnect();
    stopDeletes();
    stopStream();
    list.stop();
    filters.stop();
    clearBanner(BANNER_KEY);
  }
  return { update, create, stop };
}

function noProducts(create) {
  const state = emptyState({
    shape: 'box',
    title: 'No products yet',
    detail: 'Your catalogue lives here: import a CSV file, or add products one by one.',
    action: h(
      'div',
      { class: 'empty-actions' },
      h('a', { class: 'button button-primary', href: '#/import', text: 'Import products' }),
      h('button', { class: 'button', type: 'button', text: 'New product', on: { click: create } }),
    ),
  });
  state.dataset.testid = 'empty-products';
  return state;
}

function nothingMatches(clear) {
  const state = emptyState({
    shape: 'search',
    title: 'Nothing matches',
    detail: 'No product has all of what you are looking for.',
    action: h('button', {
      class: 'button',
      type: 'button',
      text: 'Clear filters',
      data: { testid: 'clear-filters' },
      on: { click: clear },
    }),
  });
  state.dataset.testid = 'nothing-matches';
  return state;
}
