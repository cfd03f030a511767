// The products screen. Its whole state is in the address: #/products?page=2&per_page=50&q=lamp&active=true

import { announce } from './announce.js';
import { NetworkError, getJson, nextStep } from './api.js';
import { clearBanner, showBanner } from './banner.js';
import { onReconnect } from './connection.js';
import { h, setText } from './dom.js';
import { formatCount, formatNumber } from './format.js';
import { createPager } from './pager.js';
import { filterBar, filtersOf } from './product-filters.js';
import { productsTable } from './products-table.js';
import { go, setQuery } from './router.js';
import { emptyState, refreshTimes } from './widgets.js';

const PAGE_SIZES = [25, 50, 100, 200];
const DEFAULT_SIZE = 50;
const LARGEST_SIZE = 500;
const BANNER_KEY = 'products-list';
const TIMES_MS = 30_000;

/** @type {import('./router.js').Screen & {focusSearch: () => void}} */
export const productsScreen = {
  mount(root, { query }) {
    document.title = 'Products · Acme Product Importer';
    const list = productList();
    root.append(list.element);
    list.load(query);
    const stopReconnect = onReconnect(list.reload);
    window.addEventListener('import-finished', list.reload);
    const timer = setInterval(() => refreshTimes(list.element), TIMES_MS);
    const unmount = () => {
      clearInterval(timer);
      stopReconnect();
      window.removeEventListener('import-finished', list.reload);
      list.stop();
    };
    return { update: (location) => list.load(location.query), unmount };
  },
  focusSearch() {
    const focus = () => document.getElementById('product-search')?.select();
    if (document.getElementById('product-search')) return focus();
    // The router hears of the new address first and has mounted the screen by then.
    window.addEventListener('hashchange', focus, { once: true });
    return go('#/products');
  },
};

function productList() {
  const table = productsTable();
  const filters = filterBar();
  const total = h('span', { class: 'total tabular', data: { testid: 'products-total' } });
  const totalHint = h('span', { class: 'total-hint muted' });
  const pager = createPager({
    label: 'products', sizes: PAGE_SIZES,
    onPage: (page) => setQuery({ page: page > 1 ? page : undefined }),
    // Another size starts at the first page: the same page number would be other products.
    onSize: (size) => setQuery({ per_page: size === DEFAULT_SIZE ? undefined : size, page: undefined }),
  });
  const element = h('div', { class: 'screen screen-products' },
    h('div', { class: 'screen-head products-head' }, h('h1', { text: 'Products' }), total, totalHint, filters.element),
    h('div', { class: 'card table-card table-fill' }, table.element, pager.element));
  pager.element.classList.add('is-pending');
  let current = new URLSearchParams();
  let request = null;

  async function load(query) {
    current = query;
    request?.abort();
    request = new AbortController();
    const { signal } = request;
    const wanted = filtersOf(query);
    filters.show(wanted);
    table.showLoading();
    try {
      const answer = await getJson('/api/products', { query: { ...paging(query), ...wanted }, signal });
      clearBanner(BANNER_KEY);
      show(answer, wanted);
    } catch (error) {
      if (!signal.aborted) showError(error);
    }
  }
  const reload = () => load(current);

  function show({ products, pagination }, wanted) {
    const filtered = Object.keys(wanted).length > 0;
    // The last page can vanish while it is looked at; the one before it is what is meant.
    if (!products.length && pagination.total && pagination.page > pagination.pages) {
      setQuery({ page: pagination.pages }, { replace: true });
      return;
    }
    setText(total, formatNumber(pagination.total));
    total.dataset.total = pagination.total;
    setText(totalHint, filtered ? 'matching' : '');
    pager.show(pagination);
    pager.element.classList.remove('is-pending');
    pager.element.hidden = pagination.total === 0;
    if (products.length) table.show(products);
    else table.showInstead(filtered ? nothingMatches(filters.clear) : noProducts());
    if (filtered) announce(`${formatCount(pagination.total, 'product')} found`);
  }

  function showError(error) {
    // The connection's own banner says it, and onReconnect loads again.
    if (error instanceof NetworkError) return;
    showBanner({
      key: BANNER_KEY, title: `The products could not be loaded. ${error.message}`, detail: nextStep(error), action: { label: 'Try again', run: reload },
    });
    table.showFailure();
  }
  const stop = () => {
    request?.abort();
    filters.stop();
    clearBanner(BANNER_KEY);
  };
  return { element, load, reload, stop };
}

function paging(query) {
  const whole = (name, fallback) => Math.max(1, Math.floor(Number(query.get(name))) || fallback);
  return { page: whole('page', 1), per_page: Math.min(LARGEST_SIZE, whole('per_page', DEFAULT_SIZE)) };
}

function noProducts() {
  return emptyState({
    shape: 'box', title: 'No products yet', detail: 'Import a CSV file and its products appear here.',
    action: h('a', { class: 'button button-primary', href: '#/import', text: 'Import products' }),
  });
}

function nothingMatches(clear) {
  return emptyState({
    shape: 'search', title: 'Nothing matches', detail: 'No product has all of what you are looking for.',
    action: h('button', { class: 'button', type: 'button', text: 'Clear filters', on: { click: clear } }),
  });
}
