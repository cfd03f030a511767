// What a bulk change does, as the texts of the page distinguish it.

/** @import { BulkDetails } from './types.d.ts' */

/** @typedef {Pick<BulkDetails, 'action' | 'field' | 'value'>} BulkChange */

/**
 * @typedef {'activate' | 'deactivate' | 'delete' | 'clear_name' | 'clear_description' | 'set_name' | 'set_description'}
 *   BulkKind
 */

/**
 * Return what a bulk change does.
 * @param {BulkChange} change
 * @returns {BulkKind}
 */
export function bulkKind({ action, field, value }) {
  if (action !== 'set') return action;
  if (field === 'active') return value ? 'activate' : 'deactivate';
  const name = field === 'name' ? 'name' : 'description';
  return value === '' ? `clear_${name}` : `set_${name}`;
}
