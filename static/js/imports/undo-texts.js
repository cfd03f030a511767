// Sentences about undos: what one would do, what one has done, and until when it is possible.

import { formatList, formatMoment } from '../core/format.js';
import { t } from '../core/i18n.js';
import { isLocal, may } from '../core/session.js';
import { isBulk, isFinal, isInFuture, isUndo } from './job.js';

/** @import { ImportJob, LastUndo, UndoPlan } from '../core/types.d.ts' */

const EFFECTS = /** @type {const} */ ([
  'removed',
  'changed_back',
  'inserted_again',
  'edited_since',
  'sku_taken',
  'already_gone',
]);

/**
 * Say what an undo would do, such as "1,412 products are removed, 586 stay because they were edited since."
 * @param {UndoPlan} plan
 * @returns {string} sentences
 */
export function describeUndoPlan(plan) {
  const parts = EFFECTS.filter((effect) => plan[effect]).map((effect, index) => {
    const args = { effect, count: plan[effect] };
    return index ? t('imports.undo.plan_next', args) : t('imports.undo.plan_first', args);
  });
  const effects = parts.length ? t('imports.undo.plan', { effects: formatList(parts) }) : t('imports.undo.nothing');
  const deadline = t('imports.undo.deadline', { time: formatMoment(plan.undo_until) });
  return [effects, plan.refusal, deadline].filter(Boolean).join(' ');
}

/**
 * Return the label of a button that undoes a job, with the deadline.
 * @param {string} label
 * @param {string | null} until
 */
export const labelWithDeadline = (label, until) =>
  until ? t('imports.undo.until', { label, time: formatMoment(until) }) : label;

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
  if (!state) return '';
  const name = isLocal() ? '' : undo?.started_by;
  const text = name ? t(`imports.undo.state.${state}_by`, { name }) : t(`imports.undo.state.${state}`);
  const counts = undo && state !== 'undoing' ? describeUndoCounts(undo, isBulk({ bulk })) : '';
  return counts ? t('imports.undo.state.with_counts', { state: text, counts }) : text;
}

/**
 * @param {LastUndo} undo
 * @param {boolean} isOfBulk the undo of a bulk change removes nothing
 */
function describeUndoCounts(undo, isOfBulk) {
  const { removed_count: removed, restored_count: restored, left_alone_count: alone, gone_count: gone } = undo;
  const key = isOfBulk ? 'imports.undo.count.restored' : 'imports.undo.count.changed_back';
  return formatList([
    ...(removed ? [t('imports.undo.count.removed', { count: removed })] : []),
    ...(restored ? [t(key, { count: restored })] : []),
    ...(alone ? [t('imports.undo.count.left_alone', { count: alone })] : []),
    ...(gone ? [t('imports.undo.count.gone', { count: gone })] : []),
  ]);
}

/**
 * Say why an ended job that has changed products cannot be undone; "" if it can, or if its undo says the rest.
 * @param {ImportJob} job
 */
export function describeNoUndo(job) {
  const changed = job.created_count + job.updated_count + job.removed_count + job.missing_count;
  if (isUndo(job) || !isFinal(job) || !changed || job.undone_by || isInFuture(job.undo_until)) return '';
  if (!job.undo_until) return t('imports.undo.impossible', { kind: job.kind });
  return t('imports.undo.too_late', { kind: job.kind, time: formatMoment(job.undo_until) });
}
