// What each scope of an API key allows, and an example call for it.

/** @type {[scope: string, text: string][]} */
export const SCOPES = [
  ['products:read', 'List, search and export products'],
  ['products:write', 'Create, change and delete products'],
  ['imports:read', 'Follow imports and read their results'],
  ['imports:write', 'Upload files, confirm, cancel and undo imports'],
  ['webhooks', 'Everything about webhooks'],
  ['admin', 'People, keys, activity, and deleting all products'],
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
  [7, '7 days'],
  [30, '30 days'],
  [90, '90 days'],
  [365, 'One year'],
  [null, 'Never'],
];
export const DEFAULT_EXPIRY_DAYS = 90;
