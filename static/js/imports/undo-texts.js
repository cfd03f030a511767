// Sentences about undos: what one would do, what one has done, and until when it is possible.

import { formatCount, formatMoment, formatNumber } from '../core/format.js';
import { isLocal, may } from '../core/session.js';
import { isBulk, isFinal, isInFuture, isUndo, nounOf } from './job.js';

/** @import { ImportJob, LastUndo, UndoPlan } from '../core/types.d.ts' */

/** @typedef {[count: number, one: string, many: string]} Effect */

/**
 * Say what an undo would do, such as "1,412 products are removed, 586 stay because they were edited since."
 * @param {UndoPlan} plan
 * @returns {string} sentences
 */
export function describeUndoPlan(plan) {
  /** @type {Effect[]} */
  const effects = [
    [plan.removed, 'is removed', 'are removed'],
    [plan.changed_back, 'gets its former values back', 'get their former values back'],
    [plan.inserted_again, 'is restored', 'are restored'],
    [plan.edited_since, 'stays because it was edited since', 'stay because they were edited since'],
    [
      plan.sku_taken,
      'stays deleted because another product has its SKU now',
      'stay deleted because other products have their SKUs now',
    ],
    [plan.already_gone, 'is already gone', 'are already gone'],
  ];
  const parts = effects
    .filter(([count]) => count)
    .map(([count, one, many], index) => {
      const number = index ? formatNumber(count) : formatCount(count, 'product');
      return `${number} ${count === 1 ? one : many}`;
    });
  const effect = parts.length ? `${parts.join(', ')}.` : 'Nothing would change.';
  return [effect, plan.refusal, `You can undo this until ${formatMoment(plan.undo_until)}.`].filter(Boolean).join(' ');
}

/**
 * Return the label of a button that undoes a job, with the deadline.
 * @param {string} label
 * @param {string | null} until
 */
export const labelWithDeadline = (label, until) => (until ? `${label} (until ${formatMoment(until)})` : label);

/**
 * Return whether a button may offer the undo of a job.
 * @param {Pick<ImportJob, 'status' | 'undo_until'>} job
 */
export const canUndo = (job) => isFinal(job) && isInFuture(job.undo_until) && may('imports:write');

/**
 * Say what has become of the undo of a job; "" if there is none.
 * @param {Pick<ImportJob, 'undo_state' | 'undo' | 'bulk'>} job
 */
export function describeUndoState({ undo_state: state, undo, bulk }) {
  const by = undo?.started_by && !isLocal() ? ` by ${undo.started_by}` : '';
  const counts = undo ? describeUndoCounts(undo, isBulk({ bulk })) : '';
  switch (state) {
    case 'undoing':
      return `Is being undone${by}`;
    case 'undone':
    case 'partly_undone':
      return [`${state === 'undone' ? 'Undone' : 'Partly undone'}${by}`, counts].filter(Boolean).join(', ');
    case 'undo_failed':
      return [`The undo${by} failed`, counts].filter(Boolean).join(', ');
    case 'undo_cancelled':
      return [`The undo${by} was cancelled`, counts].filter(Boolean).join(', ');
    default:
      return '';
  }
}

/**
 * @param {LastUndo} undo
 * @param {boolean} isOfBulk the undo of a bulk change removes nothing
 */
function describeUndoCounts(undo, isOfBulk) {
  /** @type {[count: number, word: string][]} */
  const counts = [
    [undo.removed_count, 'removed'],
    [undo.restored_count, isOfBulk ? 'restored' : 'changed back'],
    [undo.left_alone_count, 'left alone'],
    [undo.gone_count, 'already gone'],
  ];
  return counts
    .filter(([count]) => count)
    .map(([count, word]) => `${formatNumber(count)} ${word}`)
    .join(', ');
}

/**
 * Say why an ended job that has changed products cannot be undone; "" if it can, or if its undo says the rest.
 * @param {ImportJob} job
 */
export function describeNoUndo(job) {
  const changed = job.created_count + job.updated_count + job.removed_count + job.missing_count;
  if (isUndo(job) || !isFinal(job) || !changed || job.undone_by || isInFuture(job.undo_until)) return '';
  if (!job.undo_until) return `This ${nounOf(job)} cannot be undone: the server keeps nothing for undos.`;
  return `This ${nounOf(job)} cannot be undone any more: that was possible until ${formatMoment(job.undo_until)}.`;
}
