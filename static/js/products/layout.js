// Which columns the product table shows, and how wide they are. This browser remembers what was chosen without a view.

import { readWidths } from './width-plan.js';

/** @import { Widths } from './width-plan.js' */

/** @typedef {'sku' | 'name' | 'description' | 'active' | 'updated_at'} ColumnName */
/** @typedef {{columns: ColumnName[] | null, widths: Widths}} Layout `columns` is null if all are shown. */

/** @type {ColumnName[]} */
export const COLUMN_NAMES = ['sku', 'name', 'description', 'active', 'updated_at'];
const WIDTHS_KEY = 'product-columns';
const COLUMNS_KEY = 'product-shown-columns';

/**
 * Return the columns in their order, with that of the SKUs; null for all.
 * @param {unknown} columns
 * @returns {ColumnName[] | null}
 */
export function cleanColumns(columns) {
  if (!Array.isArray(columns)) return null;
  const shown = COLUMN_NAMES.filter((column) => column === 'sku' || columns.includes(column));
  return shown.length === COLUMN_NAMES.length ? null : shown;
}

/**
 * Return the layout after a column was shown or hidden.
 * @param {Layout} layout
 * @param {ColumnName} column
 * @param {boolean} isShown
 * @returns {Layout}
 */
export function withColumn(layout, column, isShown) {
  const others = (layout.columns ?? COLUMN_NAMES).filter((other) => other !== column);
  return { ...layout, columns: cleanColumns(isShown ? [...others, column] : others) };
}

/**
 * Return whether two layouts are the same.
 * @param {Layout} one
 * @param {Layout} other
 */
export const isSameLayout = (one, other) => keyOfLayout(one) === keyOfLayout(other);

/** @param {Layout} layout */
const keyOfLayout = ({ columns, widths }) =>
  JSON.stringify([columns, Object.entries(widths).sort(([one], [other]) => one.localeCompare(other))]);

/** @returns {Layout} what was chosen without a view */
export function readOwnLayout() {
  try {
    return {
      columns: cleanColumns(JSON.parse(localStorage.getItem(COLUMNS_KEY) ?? 'null')),
      widths: readWidths(localStorage.getItem(WIDTHS_KEY)),
    };
  } catch {
    return { columns: null, widths: {} };
  }
}

/** @param {Layout} layout */
export function storeOwnLayout({ columns, widths }) {
  try {
    localStorage.setItem(WIDTHS_KEY, JSON.stringify(widths));
    localStorage.setItem(COLUMNS_KEY, JSON.stringify(columns));
  } catch {
    // Storage may be blocked. The layout then lasts until the screen is left.
  }
}
