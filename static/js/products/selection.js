// Which products are selected: some by their ids, over all pages, or everything that the filter matches.

/**
 * @param {() => void} onChange
 */
export function createSelection(onChange) {
  const chosen = new Map();
  let everything = null;
  let anchor = null;

  const changed =
    (work) =>
    (...parameters) => {
      work(...parameters);
      onChange();
    };
  const put = (product, selected) => (selected ? chosen.set(product.id, product) : chosen.delete(product.id));
  // "Everything but these" is nothing the server knows, so a change starts from what is in view.
  const startFrom = (products) => {
    if (!everything) return;
    everything = null;
    products.forEach((product) => put(product, true));
  };

  return {
    /** @returns {boolean} */
    has: (id) => everything !== null || chosen.has(id),
    /** @returns {number} */
    count: () => everything?.count ?? chosen.size,
    isEverything: () => everything !== null,
    ids: () => [...chosen.keys()],
    products: () => [...chosen.values()],
    /**
     * Selects a product, or takes it out; with `range` all from the last one to it are given the last one's state.
     * @param {object} product
     * @param {object[]} shown the products in view, in their order
     */
    toggle: changed((product, shown, { range = false } = {}) => {
      const wanted = range && anchor ? anchor.selected : !(everything || chosen.has(product.id));
      startFrom(shown);
      const from = shown.findIndex((other) => other.id === anchor?.id);
      const to = shown.findIndex((other) => other.id === product.id);
      if (range && from >= 0) {
        shown.slice(Math.min(from, to), Math.max(from, to) + 1).forEach((other) => put(other, wanted));
      } else put(product, wanted);
      anchor = { id: product.id, selected: wanted };
    }),
    togglePage: changed((shown, selected) => {
      everything = null;
      shown.forEach((product) => put(product, selected));
    }),
    /** @param {number} count how many there are, exactly */
    selectEverything: changed((count) => {
      everything = { count };
    }),
    /** @param {number[]} ids of products that are gone */
    forget: changed((ids) => ids.forEach((id) => chosen.delete(id))),
    clear: changed(() => {
      chosen.clear();
      everything = null;
      anchor = null;
    }),
  };
}
