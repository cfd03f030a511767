// A saved view as an address, and the state of the list as a view.

import { filterBody, filterKey, filtersOf, sortOf } from './query.js';
import { cleanColumns, isSameLayout } from './layout.js';

/** @import { SavedView } from '../core/types.d.ts' */
/** @import { Layout } from './layout.js' */

/** @typedef {Pick<SavedView, 'filter' | 'sort_by' | 'sort_order' | 'columns' | 'widths'>} ViewState */

/**
 * Return the short address of a view. The page replaces it by the long one, which has the filters, too.
 * @param {number} id
 */
export const viewLink = (id) => `#/products/views/${id}`;

/**
 * Return the address of the list that a view shows.
 * @param {Pick<SavedView, 'id' | 'filter' | 'sort_by' | 'sort_order'>} view
 */
export const viewAddress = (view) => `#/products?${viewQuery(view)}`;

/**
 * @param {Pick<SavedView, 'id' | 'filter' | 'sort_by' | 'sort_order'>} view
 * @returns {URLSearchParams}
 */
export function viewQuery({ id, filter, sort_by: sortBy, sort_order: sortOrder }) {
  const query = new URLSearchParams({ view: String(id) });
  for (const [name, value] of Object.entries(filter)) query.set(name, String(value));
  // That is the order of the server without these parameters.
  if (sortBy !== 'id' || sortOrder !== 'asc') query.set('sort_by', sortBy);
  if (sortOrder !== 'asc') query.set('sort_order', sortOrder);
  return query;
}

/**
 * @param {Pick<SavedView, 'columns' | 'widths'>} view
 * @returns {Layout}
 */
export const layoutOf = ({ columns, widths }) => ({ columns: cleanColumns(columns), widths: { ...widths } });

/**
 * Return what a view keeps of the list as it is shown.
 * @param {URLSearchParams} query of the address
 * @param {Layout} layout
 * @returns {ViewState}
 */
export function stateOf(query, { columns, widths }) {
  const sort = sortOf(query);
  return {
    filter: filterBody(filtersOf(query)),
    sort_by: sort?.by ?? 'id',
    sort_order: sort?.order ?? 'asc',
    columns,
    widths,
  };
}

/**
 * Return whether the list differs from the view that its address names.
 * @param {SavedView} view
 * @param {URLSearchParams} query
 * @param {Layout} layout
 */
export function isChanged(view, query, layout) {
  const [saved, shown] = [viewQuery(view), query].map(
    (each) => `${filterKey(filtersOf(each))} ${JSON.stringify(sortOf(each) ?? { by: 'id', order: 'asc' })}`,
  );
  return saved !== shown || !isSameLayout(layoutOf(view), layout);
}

/**
 * Return whether two versions of a view show the same list, whatever their names are.
 * @param {SavedView} one
 * @param {SavedView} other
 */
export const hasSameList = (one, other) =>
  viewAddress(one) === viewAddress(other) && isSameLayout(layoutOf(one), layoutOf(other));

/**
 * Return the id of the view in an address; null without one.
 * @param {string | null | undefined} text
 */
export function readViewId(text) {
  const id = Number(text);
  return Number.isSafeInteger(id) && id > 0 ? id : null;
}
