// The address of the products screen, and the requests that it stands for.

import { queryString } from '../core/query-string.js';

export const PAGE_SIZES = [25, 50, 100, 200];
export const DEFAULT_SIZE = 50;
const LARGEST_SIZE = 500;

/** @import { Query } from '../core/query-string.js' */
/** @import { ProductPagination } from '../core/types.d.ts' */

/** @typedef {'q' | 'sku' | 'name' | 'description' | 'active' | 'changed_by' | 'changed_since'} FilterName */
/** @typedef {Partial<Record<FilterName, string>>} Filters */
/** @typedef {'id' | 'sku' | 'name' | 'active' | 'created_at' | 'updated_at'} SortColumn */
/** @typedef {{by: SortColumn, order: 'asc' | 'desc'}} Sort */

/** @type {FilterName[]} */
const TEXT_FILTERS = ['q', 'sku', 'name', 'description', 'changed_by', 'changed_since'];
/** @type {SortColumn[]} */
const SORT_COLUMNS = ['id', 'sku', 'name', 'active', 'created_at', 'updated_at'];

/** Parameters to remove when the list changes, so that the new list starts at its first page. */
export const FROM_THE_START = { page: undefined, after: undefined };

/**
 * @param {URLSearchParams} query of the address
 * @returns {Filters} the filters that are not empty
 */
export function filtersOf(query) {
  /** @type {Filters} */
  const filters = {};
  for (const name of TEXT_FILTERS) {
    const value = query.get(name)?.trim();
    if (value) filters[name] = value;
  }
  const active = query.get('active');
  if (active === 'true' || active === 'false') filters.active = active;
  return filters;
}

/** @param {Filters} filters @returns {Record<string, string | boolean>} the filter in the body of a bulk change */
export function filterBody(filters) {
  return 'active' in filters ? { ...filters, active: filters.active === 'true' } : { ...filters };
}

/**
 * @param {URLSearchParams} query
 * @returns {Sort | null} null for the default order of the server
 */
export function sortOf(query) {
  const by = SORT_COLUMNS.find((column) => column === query.get('sort_by'));
  return by ? { by, order: query.get('sort_order') === 'desc' ? 'desc' : 'asc' } : null;
}

/**
 * @param {URLSearchParams} query
 * @returns {Query} parameters for GET /api/products
 */
export function listParameters(query) {
  const sort = sortOf(query);
  const after = query.get('after');
  return {
    ...filtersOf(query),
    sort_by: sort?.by,
    sort_order: sort?.order,
    per_page: Math.min(LARGEST_SIZE, wholeNumber(query.get('per_page'), DEFAULT_SIZE)),
    // A page token includes the page.
    ...(after ? { after } : { page: wholeNumber(query.get('page'), 1) }),
  };
}

/**
 * Return the parameters that lead from the page that is shown to another one.
 * @param {number} page
 * @param {Pick<ProductPagination, 'page' | 'next'>} [shown]
 */
export const pageQuery = (page, { page: from, next } = { page: 1, next: null }) => ({
  page: page > 1 ? page : undefined,
  after: page === from + 1 ? (next ?? undefined) : undefined,
});

/**
 * @param {Filters} filters
 * @param {'csv' | 'csv.gz'} format
 * @param {string} date in the name of the file
 * @returns {string} address of the download
 */
export const exportAddress = (filters, format, date) =>
  `/api/products/export${queryString({ ...filters, format, date })}`;

/** @param {Filters} filters @returns {string} a key that is equal for equal filters */
export const filterKey = (filters) => queryString(filters);

/**
 * @param {string | null} text
 * @param {number} fallback
 */
function wholeNumber(text, fallback) {
  return Math.max(1, Math.floor(Number(text)) || fallback);
}
