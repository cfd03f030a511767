// Reads the page of products that the address asks for, and notices when others have changed it.

import { NetworkError, getJson } from '../core/api.js';
import { changedByOthers } from './page-diff.js';
import { filterKey, filtersOf, listParameters } from './query.js';
import { ownChangeEnded, ownChangeStarted } from './save-queue.js';
import { deletesChanged, isRemoved, removedIn } from './undoable-deletes.js';

const CHECK_GAP_MS = 1_000;

/**
 * @param {object} view
 * @param {(filters: Record<string, string>) => void} view.onLoading
 * @param {(page: {products: object[], pagination: object, filters: Record<string, string>, isNew: boolean}) => void}
 *   view.onPage
 *   isNew: another page than before; pagination.total leaves out what is about to be deleted
 * @param {(lastPage: number) => void} view.onBeyond the page lies behind the last one
 * @param {() => void} view.onBadCursor the address has a cursor that is of no use any more
 * @param {(error: Error) => void} view.onFailed
 * @param {(offered: boolean) => void} view.onOffer others have changed what is shown
 * @param {() => object[]} view.shownProducts
 */
export function productList(view) {
  let query = new URLSearchParams();
  let request = null;
  let page = null;
  let running = 0;
  let ended = 0;
  let loads = 0;
  let timer = 0;
  let lastCheck = 0;
  let offered = false;
  let waiting = null;
  let stopped = false;
  const own = { ids: new Set(), total: 0 };
  const stopStarted = ownChangeStarted.subscribe(() => {
    running += 1;
  });
  const stopEnded = ownChangeEnded.subscribe(({ ids, delta, product }) => {
    running -= 1;
    ended += 1;
    if (product) learn(product);
    ids.forEach((id) => own.ids.add(id));
    own.total += delta;
    if (delta) wait('settle', 0);
    else if (waiting) wait(waiting);
  });
  const learn = (product) => {
    if (page) page = { ...page, products: page.products.map((known) => (known.id === product.id ? product : known)) };
  };
  const stopDeletes = deletesChanged.subscribe(() => page && publish(false));

  /** Shows what the address asks for. */
  async function load(wanted = query) {
    const isNew = String(wanted) !== String(query) || !page;
    query = wanted;
    loads += 1;
    request?.abort();
    request = new AbortController();
    const { signal } = request;
    view.onLoading(filtersOf(query));
    try {
      const answer = await getJson('/api/products', { query: listParameters(query), signal });
      accept(answer, isNew);
    } catch (error) {
      if (signal.aborted) return;
      if (query.has('after') && error.status === 400) view.onBadCursor();
      else view.onFailed(error);
    }
  }

  function accept(answer, isNew) {
    const { products, pagination } = answer;
    if (!products.length && pagination.page > 1) return beyond(pagination);
    page = answer;
    own.ids.clear();
    own.total = 0;
    setOffer(false);
    return publish(isNew);
  }

  // An estimate does not know where the last page is.
  async function beyond(pagination) {
    const last = (pages) => view.onBeyond(Math.min(pages, pagination.page - 1));
    if (!pagination.total_is_estimate) return last(pagination.pages);
    const { pagination: exact } = await getJson('/api/products', {
      query: { ...listParameters(query), after: undefined, total: 'exact' },
    });
    return last(exact.pages);
  }

  function publish(isNew) {
    const filters = filtersOf(query);
    const total = Math.max(0, page.pagination.total - removedIn(filterKey(filters)));
    view.onPage({
      products: page.products.filter((product) => !isRemoved(product.id)),
      pagination: { ...page.pagination, total },
      filters,
      isNew,
    });
  }

  function setOffer(wanted) {
    if (offered === wanted) return;
    offered = wanted;
    view.onOffer(wanted);
  }

  /** Looks soon whether others have changed the page; several calls become one look. */
  const check = () => !offered && wait('check');

  /** A newer version of a product was seen, and is shown now: the offer may be empty without it. */
  const see = (product) => {
    learn(product);
    wait('check');
  };

  function wait(what, delayMs = Math.max(0, lastCheck + CHECK_GAP_MS - Date.now())) {
    waiting = waiting === 'settle' ? waiting : what;
    clearTimeout(timer);
    // Our own change is still on its way; its end asks again.
    if (!running) timer = setTimeout(look, delayMs);
  }

  async function look() {
    const what = waiting;
    waiting = null;
    if (stopped || !page) return;
    lastCheck = Date.now();
    const before = { ended, query, loads };
    try {
      const answer = await getJson('/api/products', { query: listParameters(query) });
      if (stopped || before.query !== query || before.loads !== loads) return;
      // Own changes that began or ended meanwhile may or may not be in this answer.
      if (running || before.ended !== ended) wait(what);
      else compare(answer, what);
    } catch (error) {
      // A look that nobody asked for fails in silence; the next change brings another.
      if (!(error instanceof NetworkError) && what === 'settle') setOffer(true);
    }
  }

  function compare(answer, what) {
    const filters = filtersOf(query);
    const totalOf = (pagination) => (pagination.total_is_estimate ? null : pagination.total);
    const visible = answer.products.filter((product) => !isRemoved(product.id));
    const foreign = changedByOthers(
      { products: view.shownProducts(), total: totalOf(page.pagination) },
      { products: visible, total: totalOf(answer.pagination) },
      { ids: own.ids, total: Object.keys(filters).length && own.ids.size ? null : own.total },
    );
    // Where nothing is shown, nothing can jump.
    if (!page.products.length && visible.length) accept(answer, true);
    else if (!foreign && what === 'settle') accept(answer, false);
    else setOffer(foreign);
  }

  /** @returns {Promise<number>} how many products match, exactly */
  async function countExactly() {
    if (!page.pagination.total_is_estimate) return page.pagination.total - removedIn(filterKey(filtersOf(query)));
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
