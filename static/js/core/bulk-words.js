// The words of bulk changes: for the bar of actions, questions, progress, results and the history.

/** @import { BulkDetails } from './types.d.ts' */

/** @typedef {Pick<BulkDetails, 'action' | 'field' | 'value'>} BulkChange */

/**
 * The words of one bulk change. `verb` and `gerund` stand before the products: "Deactivate 2 products", "Setting the
 * name of 2 products".
 * @typedef {object} BulkWords
 * @property {string} verb
 * @property {string} gerund
 * @property {'activated' | 'deactivated' | 'deleted' | 'changed'} participle
 * @property {[one: string, many: string]} already what products are that have the wanted value; not used of deletions
 */

/** @type {Record<'activate' | 'deactivate' | 'delete', BulkWords>} */
const WORDS = {
  activate: {
    verb: 'Activate',
    gerund: 'Activating',
    participle: 'activated',
    already: ['is active already', 'are active already'],
  },
  deactivate: {
    verb: 'Deactivate',
    gerund: 'Deactivating',
    participle: 'deactivated',
    already: ['is inactive already', 'are inactive already'],
  },
  delete: {
    verb: 'Delete',
    gerund: 'Deleting',
    participle: 'deleted',
    already: ['is gone already', 'are gone already'],
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
      verb: `Clear the ${field} of`,
      gerund: `Clearing the ${field} of`,
      participle: 'changed',
      already: [`has no ${field}`, `have no ${field}`],
    };
  }
  return {
    verb: `Set the ${field} of`,
    gerund: `Setting the ${field} of`,
    participle: 'changed',
    already: [`has this ${field} already`, `have this ${field} already`],
  };
}
