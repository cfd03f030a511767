// What the address of the products screen says, and the requests that follow from it.

import { queryString } from '../core/api.js';

export const PAGE_SIZES = [25, 50, 100, 200];
export const DEFAULT_SIZE = 50;
const LARGEST_SIZE = 500;

const TEXT_FILTERS = ['q', 'sku', 'name', 'description'];
const SORTABLE = new Set(['id', 'sku', 'name', 'active', 'created_at', 'updated_at']);

/** What any other list than the present one starts with: its first page. */
export const FROM_THE_START = { page: undefined, after: undefined };

/**
 * @param {URLSearchParams} query of the address
 * @returns {Record<string, string>} the filters in it that say something
 */
export function filtersOf(query) {
  const found = TEXT_FILTERS.map((name) => [name, query.get(name)?.trim()]).filter(([, value]) => value);
  const active = query.get('active');
  if (active === 'true' || active === 'false') found.push(['active', active]);
  return Object.fromEntries(found);
}

/** @param {Record<string, string>} filters @returns {object} the same as the bulk call takes them */
export function filterBody(filters) {
  return 'active' in filters ? { ...filters, active: filters.active === 'true' } : { ...filters };
}

/**
 * @param {URLSearchParams} query
 * @returns {{by: string, order: 'asc'|'desc'}|null} null for the server's own order
 */
export function sortOf(query) {
  const by = query.get('sort_by');
  return SORTABLE.has(by) ? { by, order: query.get('sort_order') === 'desc' ? 'desc' : 'asc' } : null;
}

/**
 * @param {URLSearchParams} query
 * @returns {object} parameters for GET /api/products
 */
export function listParameters(query) {
  const sort = sortOf(query);
  const after = query.get('after');
  return {
    ...filtersOf(query),
    sort_by: sort?.by,
    sort_order: sort?.order,
    per_page: Math.min(LARGEST_SIZE, wholeNumber(query.get('per_page'), DEFAULT_SIZE)),
    // A cursor knows which page it leads to.
    ...(after ? { after } : { page: wholeNumber(query.get('page'), 1) }),
  };
}

/**
 * @param {Record<string, string>} filters
 * @param {'csv'|'csv.gz'} format
 * @returns {string} address of the download
 */
export const exportAddress = (filters, format) => `/api/products/export${queryString({ ...filters, format })}`;

/** @param {Record<string, string>} filters @returns {string} the same for the same filters */
export const filterKey = (filters) => queryString(filters);

function wholeNumber(text, fallback) {
  return Math.max(1, Math.floor(Number(text)) || fallback);
}
