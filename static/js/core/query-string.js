// Parameters of addresses.

/** @typedef {Record<string, string | number | boolean | null | undefined>} Query Empty parameters are left out. */

/**
 * Encode parameters for an address.
 * @param {Query} [query]
 * @returns {string} "" or "?…"
 */
export function queryString(query = {}) {
  const pairs = Object.entries(query)
    .filter(([, value]) => value !== undefined && value !== null && value !== '')
    .map(([name, value]) => [name, String(value)]);
  return pairs.length ? `?${new URLSearchParams(pairs)}` : '';
}
