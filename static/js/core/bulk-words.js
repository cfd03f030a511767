// What a bulk change does, and its words for progress, results and the history.

/** @import { BulkDetails } from './types.d.ts' */

/** @typedef {Pick<BulkDetails, 'action' | 'field' | 'value'>} BulkChange */

/**
 * The words of one bulk change. `gerund` stands before the products, such as "Setting the name of 2 products".
 * @typedef {object} BulkWords
 * @property {string} gerund
 * @property {'activated' | 'deactivated' | 'deleted' | 'changed'} participle
 */

/** @type {Record<'activate' | 'deactivate' | 'delete', BulkWords>} */
const WORDS = {
  activate: {
    gerund: 'Activating',
    participle: 'activated',
  },
  deactivate: {
    gerund: 'Deactivating',
    participle: 'deactivated',
  },
  delete: {
    gerund: 'Deleting',
    participle: 'deleted',
  },
};

/**
 * @typedef {'activate' | 'deactivate' | 'delete' | 'clear_name' | 'clear_description' | 'set_name' | 'set_description'}
 *   BulkKind
 */

/**
 * Return what a bulk change does, as the messages distinguish it.
 * @param {BulkChange} change
 * @returns {BulkKind}
 */
export function bulkKind({ action, field, value }) {
  if (action !== 'set') return action;
  if (field === 'active') return value ? 'activate' : 'deactivate';
  const name = field === 'name' ? 'name' : 'description';
  return value === '' ? `clear_${name}` : `set_${name}`;
}

/**
 * Return the words of a bulk change.
 * @param {BulkChange} change
 * @returns {BulkWords}
 */
export function bulkWords({ action, field, value }) {
  if (action !== 'set') return WORDS[action];
  if (field === 'active') return WORDS[value ? 'activate' : 'deactivate'];
  if (value === '') {
    return {
      gerund: `Clearing the ${field} of`,
      participle: 'changed',
    };
  }
  return {
    gerund: `Setting the ${field} of`,
    participle: 'changed',
  };
}
