// The entries of the audit log in words, and the filters of the screen as parameters of the API.

import { t } from '../core/i18n.js';

/** @import { AuditEntry } from '../core/types.d.ts' */

/** @typedef {'actor' | 'action' | 'target' | 'since' | 'until'} ActivityFilter */

/** @type {ActivityFilter[]} */
export const FILTERS = ['actor', 'action', 'target', 'since', 'until'];

const ACTION_NAMES = /** @type {const} */ ([
  'session.created',
  'session.deleted',
  'session.confirmed',
  'access.refused',
  'user.created',
  'user.updated',
  'user.deleted',
  'user.reset',
  'user.password_changed',
  'key.created',
  'key.revoked',
  'product.created',
  'product.updated',
  'product.deleted',
  'products.activated',
  'products.deactivated',
  'products.changed',
  'products.deleted',
  'products.exported',
  'import.started',
  'import.confirmed',
  'import.cancelled',
  'import.retried',
  'import.fixed',
  'import.fix_deleted',
  'import.undone',
  'import.exported',
  'import.deleted',
  'webhook.created',
  'webhook.updated',
  'webhook.deleted',
  'webhook.tested',
  'webhook.secret_shown',
  'webhook.secret_rotated',
  'webhook.deliveries_resent',
  'webhook.deliveries_recovered',
  'view.created',
  'view.updated',
  'view.deleted',
  'audit.exported',
]);
/** The actions that can be chosen in the filter, and their words. The server may know others. */
/** @type {Record<string, string | undefined>} */
export const ACTIONS = Object.fromEntries(ACTION_NAMES.map((name) => [name, t(`access.action.${name}`)]));
/** @type {Record<string, string>} */
export const ACTOR_TYPES = {
  key: t('access.api_keys'),
  local: t('access.actor.local'),
  system: t('access.actor.system'),
  anonymous: t('access.actor.anonymous'),
};
/** @type {Record<string, string | undefined>} */
const FAILED_ACTIONS = { 'session.created': t('access.action_failed.session') };
/**
 * What people do with a link, by action and purpose of the link.
 * @type {Record<string, string | undefined>}
 */
const ACTIONS_WITH_LINK = {
  'user.created:setup': t('access.action_with_link.setup'),
  'user.password_changed:invitation': t('access.action_with_link.invitation'),
};
/** @type {Record<string, string | undefined>} */
const TARGETS = {
  user: t('access.target.person'),
  key: t('access.target.key'),
  job: t('access.target.import'),
  product: t('access.target.product'),
};

/**
 * Return what happened, such as "Product updated".
 * @param {string} action
 * @param {string} [outcome]
 * @param {AuditEntry['changes']} [changes]
 */
export function describeAction(action, outcome, changes) {
  const special =
    (outcome === 'failed' && FAILED_ACTIONS[action]) ||
    ACTIONS_WITH_LINK[`${action}:${linkOf(changes)}`] ||
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
