// Deleting a job that has ended.

import { hasStatus, sendJson } from '../core/api.js';
import { askToConfirm } from '../core/confirm.js';
import { formatMoment } from '../core/format.js';
import { t } from '../core/i18n.js';
import { toast } from '../core/toast.js';
import { importApiPath } from './job-actions.js';
import { isImport, isInFuture, isUndo, titleOf } from './job.js';

/** @import { ImportJob } from '../core/types.d.ts' */

/** The rows of a large import are deleted in many steps. */
const TIMEOUT_MS = 180_000;

/**
 * Delete a job after a confirmation.
 * @param {ImportJob} job one that has ended
 * @returns {Promise<boolean>} whether it was deleted
 */
export async function deleteImport(job) {
  const { kind } = job;
  const isDeleted = await askToConfirm({
    title: t('imports.job.delete.title', { kind, name: titleOf(job) }),
    text: describeDeletion(job),
    ok: t('imports.job.delete.ok', { kind }),
    run: async () => {
      try {
        await sendJson('DELETE', importApiPath(job.task_id), { timeoutMs: TIMEOUT_MS });
      } catch (error) {
        // Somebody else has deleted it.
        if (!hasStatus(error, 404)) throw error;
      }
      return true;
    },
  });
  if (!isDeleted) return false;
  toast(t('imports.job.delete.done', { kind }));
  return true;
}

/**
 * Say what a deletion takes away, and what it does not.
 * @param {Pick<ImportJob, 'kind' | 'undo_until'>} job
 */
export function describeDeletion(job) {
  const deleted = t('imports.job.delete.text', { isImport: isImport(job) });
  if (isUndo(job) || !isInFuture(job.undo_until)) return deleted;
  const lost = t('imports.job.delete.no_undo', { kind: job.kind, time: formatMoment(job.undo_until) });
  return `${deleted} ${lost}`;
}
