// The question before a change of many products: its number and its effect, from a dry run.

import { bulkWords } from '../core/bulk-words.js';
import { formatCount, formatMoment, formatNumber, oneLine } from '../core/format.js';

/** @import { BulkChange } from '../core/bulk-words.js' */
/** @import { BulkCount } from '../core/types.d.ts' */

/** @typedef {{title: string, text: string, ok: string}} Question */

/** @typedef {'ids' | 'filter' | 'all'} Selection how the products are selected */

const SHOWN_CHARACTERS = 200;

/**
 * Return the question before a bulk change.
 * @param {BulkChange} change
 * @param {Selection} selection
 * @param {BulkCount} plan the answer to the dry run; it would change at least one product
 * @returns {Question}
 */
export function bulkQuestion(change, selection, plan) {
  const { verb } = bulkWords(change);
  const title = `${verb} ${describeProducts(selection, plan)}?`;
  const ok = `${verb} ${formatCount(plan.count, 'product')}`;
  const sentences = [describeValue(change), describeUnchanged(change, plan), describeUndo(plan)];
  return { title, text: sentences.filter(Boolean).join(' '), ok };
}

/**
 * Return the question before all products are deleted.
 * @param {BulkCount} plan
 * @returns {Question}
 */
export const deleteAllQuestion = (plan) => ({
  title: `Delete all ${formatCount(plan.count, 'product')}?`,
  text: `The catalogue is empty then. ${describeUndo(plan)}`,
  ok: 'Delete all products',
});

/**
 * Say that a bulk change would change nothing.
 * @param {BulkChange} change
 * @param {BulkCount} plan
 */
export function describeNoChange(change, { found = 0 }) {
  if (!found) return 'Nothing to change: none of the products exists any more';
  const [one, many] = bulkWords(change).already;
  return `Nothing to change: ${found === 1 ? `the product ${one}` : `all ${formatNumber(found)} products ${many}`}`;
}

/**
 * @param {Selection} selection
 * @param {BulkCount} plan
 */
function describeProducts(selection, { count, found = count }) {
  const kind = { ids: 'selected ', filter: 'matching ', all: '' }[selection];
  const all = `${formatNumber(found)} ${kind}${found === 1 ? 'product' : 'products'}`;
  if (count < found) return `${formatNumber(count)} of the ${all}`;
  return found === 1 ? `the ${kind}product` : selection === 'ids' ? all : `all ${all}`;
}

/** @param {BulkChange} change */
function describeValue({ action, field, value }) {
  if (action !== 'set' || typeof value !== 'string' || !value) return '';
  const shown = `${oneLine(value, SHOWN_CHARACTERS)}${value.length > SHOWN_CHARACTERS ? '…' : ''}`;
  return `The ${field} becomes “${shown}”${/[.!?…]$/.test(shown) ? '' : '.'}`;
}

/**
 * @param {BulkChange} change
 * @param {BulkCount} plan
 */
function describeUnchanged(change, { count, found = count }) {
  const unchanged = found - count;
  const [one, many] = bulkWords(change).already;
  return unchanged ? `${formatNumber(unchanged)} ${unchanged === 1 ? one : many}.` : '';
}

/** @param {BulkCount} plan */
const describeUndo = ({ undo_until: until }) =>
  until ? `You can undo this until ${formatMoment(until)}.` : 'This cannot be undone: this server keeps no undos.';
