// Loads the page of products of the current address, and detects changes by other clients.

import { NetworkError, getJson, hasStatus } from '../core/api.js';
import { changedByOthers } from './page-diff.js';
import { filterKey, filtersOf, listParameters } from './query.js';
import { ownChangeEnded, ownChangeStarted } from './save-queue.js';
import { deletesChanged, isRemoved, removedIn } from './undoable-deletes.js';

/** @import { Product, ProductPagination, Products } from '../core/types.d.ts' */
/** @import { Filters } from './query.js' */

/** @typedef {{products: Product[], pagination: ProductPagination, isNew: boolean}} LoadedPage */

/**
 * Why the page is fetched in the background: to detect changes by others ("check"), or also to show the effect of own
 * changes ("settle").
 * @typedef {'check' | 'settle'} Purpose
 */

const CHECK_GAP_MS = 1_000;
/** While changes are offered, only the total follows. */
const OFFERED_GAP_MS = 2_000;

/**
 * Create the loader.
 * @param {object} view
 * @param {(filters: Filters) => void} view.onLoading
 * @param {(page: LoadedPage) => void} view.onPage `isNew`: the address has changed; `pagination.total` leaves out
 *   products that are about to be deleted
 * @param {(lastPage: number) => void} view.onBeyond the page of the address is after the last one
 * @param {() => void} view.onBadToken the page token of the address is not valid any more
 * @param {(error: unknown) => void} view.onFailed
 * @param {(offered: boolean) => void} view.onOffer another client has changed the page, or the offer has ended
 * @param {(pagination: ProductPagination) => void} view.onTotal another client has changed the number of products, but
 *   the page still shows the rows that it has loaded
 * @param {() => Product[]} view.shownProducts
 */
export function createPageLoader(view) {
  let query = new URLSearchParams();
  /** @type {AbortController | null} */
  let request = null;
  /** @type {Products | null} */
  let page = null;
  let running = 0;
  let ended = 0;
  let loads = 0;
  let timer = 0;
  let lastCheck = 0;
  let offered = false;
  /**
   * The total of the server, if it has changed since the page was loaded.
   * @type {Partial<ProductPagination>}
   */
  let latestTotal = {};
  /** @type {Purpose | null} */
  let waiting = null;
  let stopped = false;
  /** @type {{ids: Set<number>, total: number}} */
  const own = { ids: new Set(), total: 0 };
  const stopStarted = ownChangeStarted.subscribe(() => {
    running += 1;
  });
  const stopEnded = ownChangeEnded.subscribe(({ ids, delta, products = [] }) => {
    running -= 1;
    ended += 1;
    products.forEach(learn);
    ids.forEach((id) => own.ids.add(id));
    own.total += delta;
    if (delta) wait('settle', 0);
    else if (waiting) wait(waiting);
  });
  /** @param {Product} product */
  const learn = (product) => {
    if (page) page = { ...page, products: page.products.map((known) => (known.id === product.id ? product : known)) };
  };
  const stopDeletes = deletesChanged.subscribe(() => {
    if (page) publish(page, false);
  });

  /**
   * Load the page of an address.
   * @param {URLSearchParams} [wanted] the query of the address; by default the last one
   */
  async function load(wanted = query) {
    const isNew = String(wanted) !== String(query) || !page;
    query = wanted;
    loads += 1;
    request?.abort();
    request = new AbortController();
    const { signal } = request;
    view.onLoading(filtersOf(query));
    try {
      accept(await getJson('/api/products', { query: listParameters(query), signal }), isNew);
    } catch (error) {
      if (signal.aborted) return;
      if (query.has('after') && hasStatus(error, 400)) view.onBadToken();
      else view.onFailed(error);
    }
    if (request?.signal !== signal) return;
    request = null;
    if (waiting) wait(waiting);
  }

  /**
   * @param {Products} answer
   * @param {boolean} isNew
   */
  function accept(answer, isNew) {
    const { products, pagination } = answer;
    if (!products.length && pagination.page > 1) return beyond(pagination);
    page = answer;
    latestTotal = {};
    own.ids.clear();
    own.total = 0;
    setOffer(false);
    return publish(answer, isNew);
  }

  // An estimated total does not tell which page is the last.
  /** @param {ProductPagination} pagination */
  async function beyond(pagination) {
    /** @param {number} pages */
    const last = (pages) => view.onBeyond(Math.min(pages, pagination.page - 1));
    if (!pagination.total_is_estimate) return last(pagination.pages);
    /** @type {Products} */
    const { pagination: exact } = await getJson('/api/products', {
      query: { ...listParameters(query), after: undefined, total: 'exact' },
    });
    return last(exact.pages);
  }

  /**
   * @param {Products} current
   * @param {boolean} isNew
   */
  function publish(current, isNew) {
    view.onPage({
      products: current.products.filter((product) => !isRemoved(product.id)),
      pagination: shownPagination(current),
      isNew,
    });
  }

  /** @param {Products} current */
  function shownPagination({ pagination }) {
    const latest = { ...pagination, ...latestTotal };
    return { ...latest, total: Math.max(0, latest.total - removedIn(filterKey(filtersOf(query)))) };
  }

  /**
   * Show the total of the server beside the rows that are shown.
   * @param {Products} shown
   * @param {ProductPagination} latest
   */
  function followTotal(shown, { total, total_is_estimate, pages }) {
    if (total === (latestTotal.total ?? shown.pagination.total)) return;
    latestTotal = { total, total_is_estimate, pages };
    view.onTotal(shownPagination(shown));
  }

  /** @param {boolean} wanted */
  function setOffer(wanted) {
    if (offered === wanted) return;
    offered = wanted;
    view.onOffer(wanted);
  }

  const gapMs = () => (offered ? OFFERED_GAP_MS : CHECK_GAP_MS);

  /** Check soon whether another client has changed the page. Several calls become one check. */
  const check = () => wait('check');

  /**
   * Accept a newer version of a product that the page already shows, so that it is not offered as a change.
   * @param {Product} product
   */
  const see = (product) => {
    learn(product);
    wait('check');
  };

  /**
   * @param {Purpose} what
   * @param {number} [delayMs]
   */
  function wait(what, delayMs = Math.max(0, lastCheck + gapMs() - Date.now())) {
    waiting = waiting === 'settle' ? waiting : what;
    clearTimeout(timer);
    // While an own change is running, its end starts the check.
    if (!running) timer = setTimeout(fetchInBackground, delayMs);
  }

  async function fetchInBackground() {
    // The answer to a load may be older than the change. The end of the load starts the check.
    if (request) return;
    const what = waiting;
    waiting = null;
    if (stopped || !page || !what) return;
    lastCheck = Date.now();
    const before = { ended, query, loads };
    try {
      /** @type {Products} */
      const answer = await getJson('/api/products', { query: listParameters(query) });
      if (stopped || before.query !== query || before.loads !== loads) return;
      // The answer may or may not include own changes that started or ended in the meantime.
      if (running || before.ended !== ended) wait(what);
      else compare(page, answer, what);
    } catch (error) {
      // A failed check is silent, because the next change starts another. If "settle" fails, offer to load the page.
      if (!(error instanceof NetworkError) && what === 'settle') setOffer(true);
    }
  }

  /**
   * @param {Products} shown
   * @param {Products} answer
   * @param {Purpose} what
   */
  function compare(shown, answer, what) {
    const filters = filtersOf(query);
    /** @param {ProductPagination} pagination */
    const totalOf = (pagination) => (pagination.total_is_estimate ? null : pagination.total);
    const visible = answer.products.filter((product) => !isRemoved(product.id));
    const foreign = changedByOthers(
      { products: view.shownProducts(), total: totalOf(shown.pagination) },
      { products: visible, total: totalOf(answer.pagination) },
      { ids: own.ids, total: Object.keys(filters).length && own.ids.size ? null : own.total },
    );
    // An empty page can be filled at once, because no row moves.
    if (!shown.products.length && visible.length) accept(answer, true);
    else if (!foreign && what === 'settle') accept(answer, false);
    else {
      // The offer stays until the page is loaded again: a later change may have undone only a part of the earlier ones.
      setOffer(foreign || offered);
      if (foreign) followTotal(shown, answer.pagination);
    }
  }

  /** @returns {Promise<number>} the exact number of products that match */
  async function countExactly() {
    if (page && !offered && !page.pagination.total_is_estimate) {
      return page.pagination.total - removedIn(filterKey(filtersOf(query)));
    }
    /** @type {Products} */
    const { pagination } = await getJson('/api/products', {
      query: { ...filtersOf(query), per_page: 1, total: 'exact' },
    });
    return pagination.total;
  }

  const stop = () => {
    stopped = true;
    request?.abort();
    clearTimeout(timer);
    stopStarted();
    stopEnded();
    stopDeletes();
  };
  return { load, check, see, countExactly, filters: () => filtersOf(query), stop };
}
