// The selected rows of a list: some by their ids, on any page, or every row that the filter matches.

/**
 * Create an empty selection.
 * @template {{id: number}} Item
 * @param {() => void} onChange
 */
export function createSelection(onChange) {
  /** @type {Map<number, Item>} */
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
   * @param {Item} item
   * @param {boolean} selected
   */
  const put = (item, selected) => (selected ? chosen.set(item.id, item) : chosen.delete(item.id));
  // The API has no "everything except these". When one row is deselected, only the rest of its page stays selected.
  /** @param {Item[]} items */
  const startFrom = (items) => {
    if (!everything) return;
    everything = null;
    items.forEach((item) => put(item, true));
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
    items: () => [...chosen.values()],
    /**
     * Select or deselect a row. With `range`, the rows from the last toggled one to this one get the state of
     * the last toggled one.
     */
    toggle: changed(
      /**
       * @param {Item} item
       * @param {Item[]} shown the rows of the page, in their order
       * @param {{range?: boolean}} [options]
       */
      (item, shown, { range = false } = {}) => {
        const wanted = range && anchor ? anchor.selected : !(everything || chosen.has(item.id));
        startFrom(shown);
        const from = shown.findIndex((other) => other.id === anchor?.id);
        const to = shown.findIndex((other) => other.id === item.id);
        if (range && from >= 0) {
          shown.slice(Math.min(from, to), Math.max(from, to) + 1).forEach((other) => put(other, wanted));
        } else put(item, wanted);
        anchor = { id: item.id, selected: wanted };
      },
    ),
    togglePage: changed(
      /**
       * @param {Item[]} shown
       * @param {boolean} selected
       */
      (shown, selected) => {
        everything = null;
        shown.forEach((item) => put(item, selected));
      },
    ),
    selectEverything: changed(
      /** @param {number} count number of rows that match */
      (count) => {
        everything = { count };
      },
    ),
    forget: changed(
      /** @param {number[]} ids of deleted rows */
      (ids) => ids.forEach((id) => chosen.delete(id)),
    ),
    clear: changed(() => {
      chosen.clear();
      everything = null;
      anchor = null;
    }),
  };
}
