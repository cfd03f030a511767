// Earlier imports: filters, table and pager, as the address asks for them.

import { NetworkError, getJson, nextStep } from '../core/api.js';
import { clearBanner, showBanner } from '../core/banner.js';
import { fill, h } from '../core/dom.js';
import { createPager } from '../core/pager.js';
import { setQuery } from '../core/router.js';
import { emptyState, refreshTimes } from '../core/widgets.js';
import { clearImportFilters, createImportFilterBar, readImportFilters } from './history-filters.js';
import { createHistoryTable } from './history-table.js';

const PER_PAGE = 10;
const BANNER_KEY = 'imports-list';

/**
 * @returns {{element: HTMLElement, load: (query: URLSearchParams) => Promise<void>, reload: () => Promise<void>, stop:
 *   () => void}}
 */
export function createImportHistory() {
  const table = createHistoryTable();
  const filters = createImportFilterBar();
  const pager = createPager({
    label: 'earlier imports',
    onPage: (page) => setQuery({ page: page > 1 ? page : undefined }),
  });
  const body = h('div', { class: 'card table-card' }, loading());
  const element = h(
    'section',
    { class: 'earlier', 'aria-labelledby': 'earlier-title' },
    h('div', { class: 'earlier-head' }, h('h2', { id: 'earlier-title', text: 'Earlier imports' }), filters.element),
    body,
  );
  filters.element.hidden = true;
  let wanted = { page: 1 };
  let request = null;

  async function load(query) {
    const chosen = readImportFilters(query);
    filters.show(chosen);
    wanted = { ...chosen, page: Math.max(1, Math.floor(Number(query.get('page'))) || 1) };
    await reload();
  }
  async function reload() {
    request?.abort();
    request = new AbortController();
    const { signal } = request;
    try {
      show(await getJson('/api/imports', { query: { ...wanted, per_page: PER_PAGE }, signal }));
      clearBanner(BANNER_KEY);
    } catch (error) {
      // Without a connection its own banner says so, and `reconnected` loads again.
      if (signal.aborted || error instanceof NetworkError) return;
      showBanner({
        key: BANNER_KEY,
        title: `The earlier imports could not be loaded. ${error.message}`,
        detail: nextStep(error),
        action: { label: 'Try again', run: reload },
      });
    }
  }

  function show({ imports, pagination }) {
    const isFiltered = Object.keys(wanted).length > 1;
    // Before the first import there is nothing to filter.
    filters.element.hidden = !pagination.total && !isFiltered;
    if (!pagination.total) {
      fill(
        body,
        isFiltered
          ? nothingMatches()
          : emptyState({
              shape: 'file',
              title: 'No imports yet',
              detail: 'Every file you import is listed here with its result.',
            }),
      );
      return;
    }
    table.show(imports);
    pager.show(pagination);
    pager.element.hidden = pagination.pages <= 1 && wanted.page === 1;
    if (!table.element.isConnected) fill(body, table.element, pager.element);
    refreshTimes(table.element);
  }
  const stop = () => {
    request?.abort();
    table.stop();
    filters.stop();
    clearBanner(BANNER_KEY);
  };
  return { element, load, reload, stop };
}

function nothingMatches() {
  return emptyState({
    shape: 'search',
    title: 'No import matches',
    action: h('button', {
      class: 'button',
      type: 'button',
      text: 'Clear filters',
      data: { testid: 'clear-import-filters' },
      on: { click: clearImportFilters },
    }),
  });
}

function loading() {
  return h(
    'div',
    { class: 'table-loading', 'aria-busy': 'true' },
    h('p', { class: 'visually-hidden', text: 'Loading the earlier imports…' }),
    Array.from({ length: 4 }, () => h('div', { class: 'skeleton' })),
  );
}
