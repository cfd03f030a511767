// What cells show while their values are being saved. A later save of a cell replaces an earlier one.

/** @import { FieldName } from './edit-conflict.js' */
/** @import { Row } from './row.js' */

/** The latest save of each cell. @type {WeakMap<Row, Map<FieldName, symbol>>} */
const latest = new WeakMap();

/**
 * Show a value that is being saved.
 * @param {Row} row
 * @param {FieldName} field
 * @param {string | boolean} value
 * @returns {(state: 'saved' | 'failed') => boolean} shows how the save has ended, and the product again; returns false
 *   if a later save has replaced this one, and then shows nothing
 */
export function showSaving(row, field, value) {
  const ticket = Symbol(field);
  const tickets = latest.get(row) ?? new Map();
  latest.set(row, tickets.set(field, ticket));
  row.expect(field, value);
  row.setState(field, 'saving');
  return (state) => {
    if (tickets.get(field) !== ticket) return false;
    tickets.delete(field);
    row.expect(field, undefined);
    row.setState(field, state);
    return true;
  };
}
