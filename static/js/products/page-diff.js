// Detects changes by other clients on a page of products.

/** @import { Product } from '../core/types.d.ts' */

/**
 * A page of products. `total` is null if it is only an estimate.
 * @typedef {{products: Pick<Product, 'id' | 'updated_at'>[], total: number | null}} PageState
 */

/**
 * The changes that this page made: the ids of the products, and the change of the total. The latter is null if it
 * depends on the filter.
 * @typedef {{ids: Set<number>, total: number | null}} OwnChanges
 */

/**
 * Tell whether another client has changed a page.
 * @param {PageState} shown the page as it is shown
 * @param {PageState} fetched the page as the server has it now
 * @param {OwnChanges} own changes since the page was loaded
 * @returns {boolean}
 */
export function changedByOthers(shown, fetched, own) {
  const versions = new Map(shown.products.map((product) => [product.id, product.updated_at]));
  const isNewer = fetched.products.some(({ id, updated_at: version }) => version > (versions.get(id) ?? version));
  if (isNewer) return true;
  if (
    shown.total !== null &&
    fetched.total !== null &&
    own.total !== null &&
    fetched.total !== shown.total + own.total
  ) {
    return true;
  }
  const before = idsOf(shown, own);
  const now = idsOf(fetched, own);
  if (!own.ids.size) return !sameIds(before, now);
  // Own changes can move other rows across the edges of the page, so compare from the first to the last common row.
  return !sameIds(trim(before, new Set(now)), trim(now, new Set(before)));
}

/**
 * @param {PageState} page
 * @param {OwnChanges} own
 */
const idsOf = ({ products }, own) => products.map((product) => product.id).filter((id) => !own.ids.has(id));

/**
 * @param {number[]} one
 * @param {number[]} other
 */
const sameIds = (one, other) => one.length === other.length && one.every((id, index) => id === other[index]);

/**
 * @param {number[]} ids
 * @param {Set<number>} known
 */
function trim(ids, known) {
  const first = ids.findIndex((id) => known.has(id));
  return first < 0 ? [] : ids.slice(first, ids.findLastIndex((id) => known.has(id)) + 1);
}
