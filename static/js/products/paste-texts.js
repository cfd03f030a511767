// The sentences around a paste: the question before it, what it did, and what it left out.

import { t } from '../core/i18n.js';
import { listFields } from './field-names.js';

/** @import { FieldName } from './edit-conflict.js' */
/** @import { PastePlan } from './paste-plan.js' */

/** @typedef {'paste' | 'clear'} Purpose */

/**
 * Return the question before a paste into many products.
 * @param {PastePlan} plan
 * @param {Purpose} purpose
 * @returns {{title: string, text: string, ok: string}}
 */
export function pasteQuestion(plan, purpose) {
  const count = plan.edits.length;
  const changed = fieldsOf(plan);
  const fields = listFields(changed);
  const effect =
    purpose === 'clear'
      ? t('products.paste.clears', { fields, fieldCount: changed.length, count })
      : t('products.paste.replaces', { fields, count });
  return {
    title:
      purpose === 'clear' ? t('products.paste.clear_title', { count }) : t('products.paste.change_title', { count }),
    text: [effect, ...describeRest(plan), t('products.paste.undo')].join(' '),
    ok: purpose === 'clear' ? t('products.paste.clear_ok', { count }) : t('products.paste.change_ok', { count }),
  };
}

/**
 * Say what a paste leaves out.
 * @param {PastePlan} plan
 * @returns {string[]} sentences
 */
export function describeRest({ rowsLeftOut: rows, columnsLeftOut: columns, hasReadOnly, refusals }) {
  return [
    refusals.length && t('products.paste.refused', { count: refusals.length }),
    rows && t('products.paste.rows', { count: rows }),
    columns && t('products.paste.columns', { count: columns }),
    hasReadOnly && t('products.paste.read_only'),
  ].filter((sentence) => typeof sentence === 'string');
}

/**
 * Say why a paste has nothing to change, if nothing was left out either.
 * @param {Purpose} purpose
 */
export const describeNothing = (purpose) =>
  purpose === 'clear' ? t('products.paste.nothing_to_clear') : t('products.paste.nothing');

/**
 * Return the title of the message about what a paste did not do.
 * @param {number} failed the number of products that were not changed, or not completely
 * @param {number} total the number of products that were to be changed
 * @param {boolean} isPartly whether some of them got a part of their values
 */
export function describeFailed(failed, total, isPartly) {
  const count = failed;
  if (failed === total) {
    return isPartly ? t('products.paste.partly_all', { count }) : t('products.paste.failed_all', { count });
  }
  return isPartly
    ? t('products.paste.partly_some', { count, total })
    : t('products.paste.failed_some', { count, total });
}

/** @param {PastePlan} plan @returns {FieldName[]} the fields that the plan changes */
function fieldsOf({ edits }) {
  /** @type {FieldName[]} */
  const all = ['sku', 'name', 'description', 'active'];
  return all.filter((field) => edits.some(({ values }) => field in values));
}
