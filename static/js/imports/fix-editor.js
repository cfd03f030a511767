// Corrects the file of an import that is checked: sends what was prepared, and takes back what was applied. After both
// the server reads and checks the file again.

import { ApiError, NetworkError, hasStatus, messageOf, nextStep } from '../core/api.js';
import { t } from '../core/i18n.js';
import { draftsOf, keyOf, problemsOf, requestOf } from './fix-drafts.js';

/** @import { FileColumn, ImportDetail } from '../core/types.d.ts' */
/** @import { Fix, FixDrafts } from './fix-drafts.js' */
/** @import { StepContext } from './job-actions.js' */

/**
 * @typedef {object} FixEditor
 * @property {FixDrafts} drafts
 * @property {FileColumn[]} columns of the file
 * @property {string} delimiter of the file
 * @property {(button: HTMLButtonElement, key?: string) => Promise<string>} apply Send everything that is prepared.
 *   Return why it was not accepted, for the place of the correction with this key; "" if it was accepted.
 * @property {(id: number, button: HTMLButtonElement) => Promise<unknown>} withdraw Take back an applied correction.
 */

/**
 * Create the editor of an import whose file can be corrected.
 * @param {ImportDetail} job
 * @param {StepContext} context
 * @param {() => string} obstacle returns why nothing can be applied right now, "" if it can
 * @returns {FixEditor}
 */
export function createFixEditor(job, { runAction }, obstacle) {
  const drafts = draftsOf(job.task_id);

  /**
   * @param {HTMLButtonElement} button
   * @param {string} [key]
   */
  async function apply(button, key) {
    let refusal = obstacle();
    if (refusal) return refusal;
    const sent = drafts.list();
    const accepted = await runAction('fixes', {
      button,
      busy: t('imports.fix.applying'),
      body: { fixes: sent.map(({ fix }) => requestOf(fix)) },
      onRefused: (error) => {
        refusal = describeRefusal(error);
        drafts.setProblems(error instanceof ApiError ? problemsOf(error.fields, sent) : new Map());
        // After a conflict, the page may show another step, where nothing shows what was refused.
        return !hasStatus(error, 409);
      },
    });
    if (accepted) drafts.removeSent(sent);
    else refusal ||= t('imports.fix.busy');
    if (!refusal || !key) return refusal;
    const own = drafts.get(key)?.problem;
    if (own) return own;
    return drafts.list().some(({ problem }) => problem) ? t('imports.fix.other_refused') : refusal;
  }

  return {
    drafts,
    columns: job.file?.columns ?? [],
    delimiter: job.file?.delimiter ?? ',',
    apply,
    withdraw: (id, button) => runAction(`fixes/${id}`, { button, busy: t('imports.fix.removing'), method: 'DELETE' }),
  };
}

/** @param {unknown} error */
function describeRefusal(error) {
  if (error instanceof NetworkError) return t('imports.fix.kept', { reason: messageOf(error) });
  return [messageOf(error), nextStep(error)].filter(Boolean).join(' ');
}

/**
 * Return the label of a button that applies everything that is prepared.
 * @param {number} count
 */
export const applyLabel = (count) => t('imports.fix.apply', { count });

/**
 * Return how many changes are prepared once this one is.
 * @param {FixDrafts} drafts
 * @param {Parameters<typeof keyOf>[0]} fix
 */
export const countWith = (drafts, fix) => drafts.list().filter(({ key }) => key !== keyOf(fix)).length + 1;
