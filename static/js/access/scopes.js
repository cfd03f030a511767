// What each scope of an API key allows, and an example call for it.

import { t } from '../core/i18n.js';

/** @type {[scope: string, text: string][]} */
export const SCOPES = [
  ['products:read', t('access.scope.products_read')],
  ['products:write', t('access.scope.products_write')],
  ['imports:read', t('access.scope.imports_read')],
  ['imports:write', t('access.scope.imports_write')],
  ['webhooks', t('access.scope.webhooks')],
  ['admin', t('access.scope.admin')],
];

/** @type {[scope: string, options: string, path: string][]} The first scope that a key has wins. */
const EXAMPLES = [
  ['imports:write', '-F file=@products.csv', '/api/upload'],
  ['products:read', '', '/api/products?per_page=1'],
  ['imports:read', '', '/api/imports?per_page=1'],
  ['webhooks', '', '/api/webhooks'],
  ['admin', '', '/api/users'],
];

/**
 * Return a command that uses a key, on two lines.
 * @param {string} key
 * @param {string[]} scopes
 * @param {string} origin of the server
 */
export function curlExample(key, scopes, origin) {
  const [, options, path] = EXAMPLES.find(([scope]) => scopes.includes(scope)) ?? ['', '', '/api/session'];
  return `curl -H 'Authorization: Bearer ${key}' \\\n  ${options && `${options} `}'${origin}${path}'`;
}

/** @type {[days: number | null, label: string][]} */
export const EXPIRIES = [
  [7, t('access.key.days', { count: 7 })],
  [30, t('access.key.days', { count: 30 })],
  [90, t('access.key.days', { count: 90 })],
  [365, t('access.key.one_year')],
  [null, t('access.never')],
];
export const DEFAULT_EXPIRY_DAYS = 90;
