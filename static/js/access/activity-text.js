// The entries of the audit log in words, and the filters of the screen as parameters of the API.

/** @import { AuditEntry } from '../core/types.d.ts' */

/** @typedef {'actor' | 'action' | 'target' | 'since' | 'until'} ActivityFilter */

/** @type {ActivityFilter[]} */
export const FILTERS = ['actor', 'action', 'target', 'since', 'until'];

/** The actions that can be chosen in the filter, and their words. The server may know others. */
/** @type {Record<string, string | undefined>} */
export const ACTIONS = {
  'session.created': 'Signed in',
  'session.deleted': 'Signed out',
  'session.confirmed': 'Password confirmed',
  'access.refused': 'Refused',
  'user.created': 'Person added',
  'user.updated': 'Person changed',
  'user.deleted': 'Person removed',
  'user.reset': 'Link created',
  'user.password_changed': 'Password changed',
  'key.created': 'Key created',
  'key.revoked': 'Key revoked',
  'product.created': 'Product created',
  'product.updated': 'Product changed',
  'product.deleted': 'Product deleted',
  'products.activated': 'Products activated',
  'products.deactivated': 'Products deactivated',
  'products.changed': 'Products changed',
  'products.deleted': 'Products deleted',
  'products.exported': 'Products exported',
  'import.started': 'Import started',
  'import.confirmed': 'Import confirmed',
  'import.cancelled': 'Import cancelled',
  'import.retried': 'Import retried',
  'import.fixed': 'Rows of an import fixed',
  'import.fix_deleted': 'Fix of an import deleted',
  'import.undone': 'Import undone',
  'import.exported': 'List of an import exported',
  'import.deleted': 'Import deleted',
  'webhook.created': 'Webhook created',
  'webhook.updated': 'Webhook changed',
  'webhook.deleted': 'Webhook deleted',
  'webhook.tested': 'Webhook tested',
  'webhook.secret_shown': 'Secret shown',
  'webhook.secret_rotated': 'Secret replaced',
  'webhook.deliveries_resent': 'Deliveries sent again',
  'webhook.deliveries_recovered': 'Deliveries recovered',
  'view.created': 'View saved',
  'view.updated': 'View changed',
  'view.deleted': 'View deleted',
  'audit.exported': 'Activity exported',
};
/** @type {Record<string, string>} */
export const ACTOR_TYPES = {
  key: 'API keys',
  local: 'Everyone on this machine',
  system: 'The product itself',
  anonymous: 'Nobody signed in',
};
/** @type {Record<string, string | undefined>} */
const FAILED_ACTIONS = { 'session.created': 'Sign-in failed' };
/**
 * What people do with a link, by action and purpose of the link.
 * @type {Record<string, string | undefined>}
 */
const ACTIONS_WITH_LINK = {
  'user.created setup': 'First administrator created',
  'user.password_changed invitation': 'Invitation accepted',
};
/** @type {Record<string, string | undefined>} */
const TARGETS = { user: 'person', key: 'key', job: 'import' };

const LONG_CHARACTERS = 300;

/**
 * Return what happened, such as "Product updated".
 * @param {string} action
 * @param {string} [outcome]
 * @param {AuditEntry['changes']} [changes]
 */
export function describeAction(action, outcome, changes) {
  const special =
    (outcome === 'failed' && FAILED_ACTIONS[action]) ||
    ACTIONS_WITH_LINK[`${action} ${linkOf(changes)}`] ||
    ACTIONS[action];
  if (special) return special;
  const words = action.replace(/[._]/g, ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/**
 * @param {AuditEntry['changes']} [changes]
 * @returns {unknown} the purpose of the link that was used, undefined without one
 */
const linkOf = (changes) => (Array.isArray(changes?.link) ? changes.link[1] : undefined);

/**
 * Return the object of an entry in words; "" if it has none.
 * @param {AuditEntry['target']} target
 */
export function describeTarget(target) {
  if (!target) return '';
  const type = TARGETS[target.type] ?? target.type;
  return target.name || (target.id === null ? type : `${type} ${target.id}`);
}

/**
 * Return the filter for one object, as the API and the address have it.
 * @param {{type: string, id: string | number | null}} target
 */
export const targetFilter = ({ type, id }) => (id === null ? type : `${type}:${id}`);

/**
 * Return the changes of an entry: each field with its values before and after, as texts.
 * @param {AuditEntry['changes']} changes
 * @returns {{field: string, before: string, after: string}[]}
 */
export function listChanges(changes) {
  return Object.entries(changes ?? {}).map(([name, value]) => {
    const [before, after] = Array.isArray(value) && value.length === 2 ? value : [null, value];
    return { field: name.replaceAll('_', ' '), before: textOf(before), after: textOf(after) };
  });
}

/**
 * @param {unknown} value
 * @returns {string} "" for nothing
 */
function textOf(value) {
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) return value.map(textOf).join(', ');
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return text.length > LONG_CHARACTERS ? `${text.slice(0, LONG_CHARACTERS)}…` : text;
}

/**
 * Return the parameters of the API for the query of an address. Its days are local days, both included.
 * @param {URLSearchParams} query
 * @returns {Record<string, string>}
 */
export function auditParameters(query) {
  /** @type {Record<string, string>} */
  const parameters = {};
  for (const name of FILTERS) {
    const value = query.get(name)?.trim();
    if (!value) continue;
    const text = name === 'since' ? startOfDay(value, 0) : name === 'until' ? startOfDay(value, 1) : value;
    if (text) parameters[name] = text;
  }
  return parameters;
}

/**
 * @param {string} day such as "2026-11-28"
 * @param {number} daysLater
 * @returns {string} the start of the local day as an ISO 8601 time; "" if it is no day
 */
function startOfDay(day, daysLater) {
  const match = /^(\d{4})-(\d\d)-(\d\d)$/.exec(day);
  if (!match) return '';
  const [, year, month, date] = match;
  return new Date(Number(year), Number(month) - 1, Number(date) + daysLater).toISOString();
}
