// Deleting a job that has ended.

import { hasStatus, sendJson } from '../core/api.js';
import { askToConfirm } from '../core/confirm.js';
import { formatMoment } from '../core/format.js';
import { toast } from '../core/toast.js';
import { importApiPath } from './job-actions.js';
import { isImport, isInFuture, isUndo, nounOf } from './job.js';

/** @import { ImportJob } from '../core/types.d.ts' */

/** The rows of a large import are deleted in many steps. */
const TIMEOUT_MS = 180_000;

/**
 * Delete a job after a confirmation.
 * @param {ImportJob} job one that has ended
 * @returns {Promise<boolean>} whether it was deleted
 */
export async function deleteImport(job) {
  const noun = nounOf(job);
  const isDeleted = await askToConfirm({
    title: `Delete the ${noun}${job.kind === 'bulk' ? '' : ' of'} “${job.filename}”?`,
    text: describeDeletion(job),
    ok: `Delete ${noun}`,
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
  toast(`${noun.charAt(0).toUpperCase()}${noun.slice(1)} deleted`);
  return true;
}

/**
 * Say what a deletion takes away, and what it does not.
 * @param {Pick<ImportJob, 'kind' | 'undo_until'>} job
 */
export function describeDeletion(job) {
  if (isUndo(job)) return 'Its result and log are deleted. The products stay as they are.';
  const deleted = isImport(job) ? 'result, log, rejected rows and stored file' : 'result and log';
  const kept = `Its ${deleted} are deleted. The products stay as they are.`;
  if (!isInFuture(job.undo_until)) return kept;
  const until = formatMoment(job.undo_until);
  return `${kept} The ${nounOf(job)} can be undone until ${until}; once it is deleted, it cannot.`;
}
