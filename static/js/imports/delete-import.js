// Deleting an import that has ended.

import { hasStatus, sendJson } from '../core/api.js';
import { askToConfirm } from '../core/confirm.js';
import { formatMoment } from '../core/format.js';
import { toast } from '../core/toast.js';
import { importApiPath } from './job-actions.js';
import { isInFuture, isUndo } from './job.js';

/** @import { ImportJob } from '../core/types.d.ts' */

/** The rows of a large import are deleted in many steps. */
const TIMEOUT_MS = 180_000;

/**
 * Delete an import after a confirmation.
 * @param {ImportJob} job an import or an undo that has ended
 * @returns {Promise<boolean>} whether it was deleted
 */
export async function deleteImport(job) {
  const kind = isUndo(job) ? 'undo' : 'import';
  const isDeleted = await askToConfirm({
    title: `Delete the ${kind} of “${job.filename}”?`,
    text: describeDeletion(job),
    ok: `Delete ${kind}`,
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
  toast(isUndo(job) ? 'Undo deleted' : 'Import deleted');
  return true;
}

/**
 * Say what a deletion takes away, and what it does not.
 * @param {Pick<ImportJob, 'kind' | 'undo_until'>} job
 */
export function describeDeletion(job) {
  if (isUndo(job)) return 'Its result and log are deleted. The products stay as they are.';
  const kept = 'Its result, log, rejected rows and stored file are deleted. The products stay as they are.';
  if (!isInFuture(job.undo_until)) return kept;
  return `${kept} The import can be undone until ${formatMoment(job.undo_until)}; once it is deleted, it cannot.`;
}
