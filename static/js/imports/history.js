// The history of imports and bulk changes: filters, table and pager. The address holds the filters and the page.

import { NetworkError, getJson, messageOf, nextStep } from '../core/api.js';
import { clearBanner, showBanner } from '../core/banner.js';
import { fill, h } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { createPager } from '../core/pager.js';
import { setQuery } from '../core/router.js';
import { emptyState, hideSkeleton, refreshTimes } from '../core/widgets.js';
import { clearImportFilters, createImportFilterBar, filterParameters, readImportFilters } from './history-filters.js';
import { createHistoryTable } from './history-table.js';
import { createWaitingBar } from './waiting-bar.js';

/** @import { Imports } from '../core/types.d.ts' */
/** @import { ImportFilters } from './history-filters.js' */

const PER_PAGE = 10;
const BANNER_KEY = 'imports-list';

/**
 * @typedef {object} ImportHistory
 * @property {HTMLElement} element
 * @property {(query: URLSearchParams) => Promise<void>} load Show the page of an address.
 * @property {() => Promise<void>} reload Fetch the same page again.
 * @property {() => void} stop
 */

/**
 * Create the history.
 * @returns {ImportHistory}
 */
export function createImportHistory() {
  const waitingBar = createWaitingBar(() => reload());
  const table = createHistoryTable({
    // Only the list says what an import that waits for its confirmation would do.
    onStatus: (job) => (job.status === 'awaiting_confirmation' ? reload() : waitingBar.reload()),
    onUndone: () => reload(),
    onDeleted: () => reload(),
  });
  const filterBar = createImportFilterBar();
  const pager = createPager({
    label: t('imports.history.pages'),
    onPage: showPage,
  });
  const body = h('div', { class: 'card table-card' }, loadingRows());
  const element = h(
    'section',
    { class: 'earlier', 'aria-labelledby': 'earlier-title' },
    h(
      'div',
      { class: 'earlier-head' },
      h('h2', { id: 'earlier-title', text: t('imports.history.title') }),
      filterBar.element,
    ),
    waitingBar.element,
    body,
  );
  filterBar.element.hidden = true;
  /** @type {ImportFilters} */
  let filters = {};
  let page = 1;
  /** @type {AbortController | null} */
  let request = null;

  /** @param {URLSearchParams} query */
  async function load(query) {
    filters = readImportFilters(query);
    page = Math.max(1, Math.floor(Number(query.get('page'))) || 1);
    filterBar.show(filters);
    await reload();
  }
  async function reload() {
    request?.abort();
    request = new AbortController();
    waitingBar.reload();
    const { signal } = request;
    try {
      const asked = { ...filterParameters(filters), page, per_page: PER_PAGE };
      show(await getJson('/api/imports', { query: asked, signal }));
      body.hidden = false;
      clearBanner(BANNER_KEY);
    } catch (error) {
      // Without a connection a banner says so, and `reconnected` loads again.
      if (signal.aborted || error instanceof NetworkError) return;
      hideSkeleton(body);
      showBanner({
        key: BANNER_KEY,
        title: t('imports.history.not_loaded', { reason: messageOf(error) }),
        detail: nextStep(error),
        action: { label: t('common.try_again'), run: reload },
      });
    }
  }

  /** @param {Imports} answer */
  function show({ imports, pagination }) {
    const isFiltered = Object.keys(filters).length > 0;
    // Before the first import there is nothing to filter.
    filterBar.element.hidden = !pagination.total && !isFiltered;
    if (!pagination.total) return fill(body, isFiltered ? noMatch() : noImports());
    // The last import of the last page was deleted.
    if (!imports.length) return showPage(pagination.pages, { replace: true });
    table.show(imports);
    pager.show(pagination);
    pager.element.hidden = pagination.pages <= 1 && page === 1;
    if (!table.element.isConnected) fill(body, table.element, pager.element);
    return refreshTimes(table.element);
  }
  const stop = () => {
    request?.abort();
    table.stop();
    filterBar.stop();
    waitingBar.stop();
    clearBanner(BANNER_KEY);
  };
  return { element, load, reload, stop };
}

/**
 * @param {number} page
 * @param {{replace?: boolean}} [options] of `setQuery`
 */
const showPage = (page, options) => setQuery({ page: page > 1 ? page : undefined }, options);

const noImports = () =>
  emptyState({
    shape: 'file',
    title: t('imports.history.none'),
    detail: t('imports.history.none_hint'),
  });

const noMatch = () =>
  emptyState({
    shape: 'search',
    title: t('imports.history.no_match'),
    action: h('button', {
      class: 'button',
      type: 'button',
      text: t('common.clear_filters'),
      data: { testid: 'clear-import-filters' },
      on: { click: clearImportFilters },
    }),
  });

function loadingRows() {
  return h(
    'div',
    { class: 'table-loading', 'aria-busy': 'true' },
    h('p', { class: 'visually-hidden', text: t('imports.history.loading') }),
    Array.from({ length: 4 }, () => h('div', { class: 'skeleton' })),
  );
}
