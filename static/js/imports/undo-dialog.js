// The question before an undo: a dry run counts what the undo would do.

import { ApiError, hasStatus, sendJson } from '../core/api.js';
import { askToConfirm } from '../core/confirm.js';
import { t } from '../core/i18n.js';
import { importApiPath } from './job-actions.js';
import { isBulk, titleOf } from './job.js';
import { describeUndoPlan } from './undo-texts.js';

/** @import { ImportJob, UndoPlan } from '../core/types.d.ts' */

/** Counting 500,000 products takes seconds. */
const TIMEOUT_MS = 120_000;

/**
 * Count what the undo of a job would do, ask for a confirmation, then undo it.
 * @param {ImportJob} job an import or a bulk change that can be undone
 * @param {() => unknown} reload called if it cannot be undone any more
 * @returns {Promise<ImportJob | undefined>} the undo; undefined if the dialog was cancelled
 */
export function askToUndo(job, reload) {
  // If the undo leaves most products alone, the question says why, and its button forces the undo.
  let force = false;
  /** @param {unknown} error */
  const note = (error) => {
    if (!hasStatus(error, 409)) return;
    force = error instanceof ApiError && error.code === 'undo_blocked';
    if (!force) reload();
  };
  const count = async () => {
    try {
      /** @type {UndoPlan} */
      const plan = await sendJson('POST', importApiPath(job.task_id, 'undo?dry_run=true'), { timeoutMs: TIMEOUT_MS });
      force = plan.refusal !== null;
      return describeUndoPlan(plan);
    } catch (error) {
      note(error);
      throw error;
    }
  };
  /** @returns {Promise<ImportJob>} */
  const start = async () => {
    try {
      const body = { started_from: 'page', ...(force && { force }) };
      return await sendJson('POST', importApiPath(job.task_id, 'undo'), { body });
    } catch (error) {
      note(error);
      throw error;
    }
  };
  return askToConfirm({
    title: t('imports.undo.question', { isBulk: isBulk(job), name: titleOf(job) }),
    text: count(),
    waiting: t('imports.undo.counting'),
    ok: () => (force ? t('imports.undo.button_rest') : t('imports.undo.ok', { kind: job.kind })),
    run: start,
  });
}
