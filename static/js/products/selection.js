// The selected products: some by their ids, on any page, or every product that the filter matches.

/** @import { Product } from '../core/types.d.ts' */

/**
 * Create an empty selection.
 * @param {() => void} onChange
 */
export function createSelection(onChange) {
  /** @type {Map<number, Product>} */
  const chosen = new Map();
  /** @type {{count: number} | null} */
  let everything = null;
  /** The start of the next range. @type {{id: number, selected: boolean} | null} */
  let anchor = null;

  /**
   * @template {unknown[]} Args
   * @param {(...args: Args) => void} work
   */
  const changed =
    (work) =>
    /** @param {Args} args */
    (...args) => {
      work(...args);
      onChange();
    };
  /**
   * @param {Product} product
   * @param {boolean} selected
   */
  const put = (product, selected) => (selected ? chosen.set(product.id, product) : chosen.delete(product.id));
  // The API has no "everything except these". When one product is deselected, only the rest of its page stays selected.
  /** @param {Product[]} products */
  const startFrom = (products) => {
    if (!everything) return;
    everything = null;
    products.forEach((product) => put(product, true));
  };

  return {
    /**
     * @param {number} id
     * @returns {boolean}
     */
    has: (id) => everything !== null || chosen.has(id),
    /** @returns {number} */
    count: () => everything?.count ?? chosen.size,
    isEverything: () => everything !== null,
    ids: () => [...chosen.keys()],
    products: () => [...chosen.values()],
    /**
     * Select or deselect a product. With `range`, the products from the last toggled one to this one get the state of
     * the last toggled one.
     */
    toggle: changed(
      /**
       * @param {Product} product
       * @param {Product[]} shown the products of the page, in their order
       * @param {{range?: boolean}} [options]
       */
      (product, shown, { range = false } = {}) => {
        const wanted = range && anchor ? anchor.selected : !(everything || chosen.has(product.id));
        startFrom(shown);
        const from = shown.findIndex((other) => other.id === anchor?.id);
        const to = shown.findIndex((other) => other.id === product.id);
        if (range && from >= 0) {
          shown.slice(Math.min(from, to), Math.max(from, to) + 1).forEach((other) => put(other, wanted));
        } else put(product, wanted);
        anchor = { id: product.id, selected: wanted };
      },
    ),
    togglePage: changed(
      /**
       * @param {Product[]} shown
       * @param {boolean} selected
       */
      (shown, selected) => {
        everything = null;
        shown.forEach((product) => put(product, selected));
      },
    ),
    selectEverything: changed(
      /** @param {number} count exact number of products that match */
      (count) => {
        everything = { count };
      },
    ),
    forget: changed(
      /** @param {number[]} ids of deleted products */
      (ids) => ids.forEach((id) => chosen.delete(id)),
    ),
    clear: changed(() => {
      chosen.clear();
      everything = null;
      anchor = null;
    }),
  };
}
