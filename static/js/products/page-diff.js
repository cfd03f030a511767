// Whether others have changed what a page of products shows.

/**
 * @param {object} shown what is in view: its `products`, its `total` (null when that is an estimate)
 * @param {object} fetched the same, as the server has it now
 * @param {object} own what this page changed itself since: the `ids`, and by how much the `total` must have grown (null
 *   when the filter leaves that open)
 * @returns {boolean}
 */
export function changedByOthers(shown, fetched, own) {
  const versions = new Map(shown.products.map((product) => [product.id, product.updated_at]));
  const isNewer = (product) => versions.has(product.id) && product.updated_at > versions.get(product.id);
  if (fetched.products.some(isNewer)) return true;
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
  // Our own changes push rows over the edges of a page, never out of its middle.
  return !sameIds(trim(before, new Set(now)), trim(now, new Set(before)));
}

const idsOf = ({ products }, own) => products.map((product) => product.id).filter((id) => !own.ids.has(id));

const sameIds = (one, other) => one.length === other.length && one.every((id, index) => id === other[index]);

function trim(ids, known) {
  const first = ids.findIndex((id) => known.has(id));
  return first < 0 ? [] : ids.slice(first, ids.findLastIndex((id) => known.has(id)) + 1);
}
