// The question before a change of many products: its number and its effect, from a dry run.

import { bulkKind } from '../core/bulk-kind.js';
import { formatMoment, oneLine } from '../core/format.js';
import { t } from '../core/i18n.js';

/** @import { BulkChange } from '../core/bulk-kind.js' */
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
  const kind = bulkKind(change);
  const { count, found = count } = plan;
  const title =
    count < found
      ? t('products.bulk.question_some', { change: kind, selection, count, found })
      : t('products.bulk.question_every', { change: kind, selection, count });
  const ok = t('products.bulk.ok', { change: kind, count });
  const sentences = [describeValue(change), describeUnchanged(change, plan), describeUndo(plan)];
  return { title, text: sentences.filter(Boolean).join(' '), ok };
}

/**
 * Return the question before all products are deleted.
 * @param {BulkCount} plan
 * @returns {Question}
 */
export const deleteAllQuestion = (plan) => ({
  title: t('products.bulk.delete_all', { count: plan.count }),
  text: `${t('products.bulk.delete_all_text')} ${describeUndo(plan)}`,
  ok: t('products.bulk.delete_all_ok'),
});

/**
 * Say that a bulk change would change nothing.
 * @param {BulkChange} change
 * @param {BulkCount} plan
 */
export function describeNoChange(change, { found = 0 }) {
  if (!found) return t('products.bulk.none_exists');
  return t(`products.bulk.nothing.${bulkKind(change)}`, { count: found });
}

/** @param {BulkChange} change */
function describeValue({ action, field, value }) {
  if (action !== 'set' || typeof value !== 'string' || !value) return '';
  const shown = `${oneLine(value, SHOWN_CHARACTERS)}${value.length > SHOWN_CHARACTERS ? '…' : ''}`;
  return t('products.bulk.value', {
    field: field === 'name' ? 'name' : 'other',
    value: shown,
    isSentence: /[.!?…]$/.test(shown),
  });
}

/**
 * @param {BulkChange} change
 * @param {BulkCount} plan
 */
function describeUnchanged(change, { count, found = count }) {
  const unchanged = found - count;
  return unchanged ? t(`products.bulk.unchanged.${bulkKind(change)}`, { count: unchanged }) : '';
}

/** @param {BulkCount} plan */
const describeUndo = ({ undo_until: until }) =>
  until ? t('products.bulk.undo_until', { time: formatMoment(until) }) : t('products.bulk.no_undo');
