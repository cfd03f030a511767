// The sentences around a paste: the question before it, what it did, and what it left out.

import { formatCount, formatNumber } from '../core/format.js';

/** @import { FieldName } from './edit-conflict.js' */
/** @import { PastePlan } from './paste-plan.js' */

/** @typedef {'paste' | 'clear'} Purpose */

const NAMES = { sku: 'SKU', name: 'name', description: 'description', active: 'state' };

/**
 * Return the question before a paste into many products.
 * @param {PastePlan} plan
 * @param {Purpose} purpose
 * @returns {{title: string, text: string, ok: string}}
 */
export function pasteQuestion(plan, purpose) {
  const products = formatCount(plan.edits.length, 'product');
  const fields = fieldsOf(plan).map((field) => NAMES[field]);
  const of = `${joinWords(fields)} of ${products}`;
  const effect =
    purpose === 'clear'
      ? `The ${of} ${fields.length === 1 ? 'becomes' : 'become'} empty.`
      : `The pasted values replace the ${of}.`;
  return {
    title: purpose === 'clear' ? `Clear cells of ${products}?` : `Change ${products}?`,
    text: [effect, ...describeRest(plan), 'Ctrl+Z undoes all of it.'].join(' '),
    ok: purpose === 'clear' ? `Clear cells of ${products}` : `Change ${products}`,
  };
}

/**
 * Say what a paste leaves out.
 * @param {PastePlan} plan
 * @returns {string[]} sentences
 */
export function describeRest({ rowsLeftOut: rows, columnsLeftOut: columns, hasReadOnly, refusals }) {
  return [
    refusals.length &&
      `${formatCount(refusals.length, 'cell')} cannot get ${refusals.length === 1 ? 'its' : 'their'} value.`,
    rows && `${formatCount(rows, 'pasted row')} ${rows === 1 ? 'does' : 'do'} not fit on this page of the list.`,
    columns && `${formatCount(columns, 'pasted column')} ${columns === 1 ? 'goes' : 'go'} beyond the last one.`,
    hasReadOnly && 'The column “Updated” cannot be changed.',
  ].filter((sentence) => typeof sentence === 'string');
}

/**
 * Say why a paste has nothing to change, if nothing was left out either.
 * @param {Purpose} purpose
 */
export const describeNothing = (purpose) =>
  purpose === 'clear'
    ? 'There is nothing to clear: only names and descriptions can be empty'
    : 'Nothing to change: the cells have these values already';

/**
 * Return the title of the message about what a paste did not do.
 * @param {number} failed the number of products that were not changed, or not completely
 * @param {number} total the number of products that were to be changed
 * @param {boolean} isPartly whether some of them got a part of their values
 */
export function describeFailed(failed, total, isPartly) {
  const of = total === 1 ? 'The product' : formatCount(total, 'product');
  const who = failed < total ? `${formatNumber(failed)} of ${of}` : of;
  if (isPartly) return `${who} did not get all of ${failed === 1 ? 'its' : 'their'} values.`;
  return `${who} ${failed === 1 ? 'was' : 'were'} not changed.`;
}

/** @param {PastePlan} plan @returns {FieldName[]} the fields that the plan changes */
function fieldsOf({ edits }) {
  /** @type {FieldName[]} */
  const all = ['sku', 'name', 'description', 'active'];
  return all.filter((field) => edits.some(({ values }) => field in values));
}

/** @param {string[]} words */
const joinWords = (words) =>
  words.length > 1 ? `${words.slice(0, -1).join(', ')} and ${words.at(-1)}` : (words[0] ?? '');
