// A note on a job that was undone, or whose undo is running, with a link to the undo.

import { h } from '../core/dom.js';
import { t, tRich } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { failureOf } from './job.js';
import { importAddress } from './steps.js';

/** @import { Part } from '../core/i18n.js' */
/** @import { ImportDetail } from '../core/types.d.ts' */

/**
 * Create the note.
 * @param {ImportDetail} job a job that has an undo
 * @returns {HTMLElement}
 */
export function createUndoNote(job) {
  return h('p', { class: 'note', data: { testid: 'undone-note' } }, icon('undo'), h('span', {}, sentenceOf(job)));
}

/** @param {ImportDetail} job */
function sentenceOf(job) {
  const { kind, undo } = job;
  const link = (/** @type {Part[]} */ parts) => h('a', { href: importAddress(job.undone_by ?? '') }, parts);
  // The undo was deleted.
  if (!undo) {
    return job.undo_state === 'partly_undone'
      ? t('imports.undo.note.partly_undone_only', { kind })
      : t('imports.undo.note.undone_only', { kind });
  }
  const reason = failureOf(undo);
  switch (job.undo_state) {
    case 'undoing':
      return tRich('imports.undo.note.undoing', { kind, link });
    case 'partly_undone':
      return tRich('imports.undo.note.partly_undone', { kind, link });
    case 'undo_failed':
    case 'undo_cancelled':
      return reason
        ? tRich('imports.undo.note.unfinished', { kind, link, reason })
        : tRich('imports.undo.note.unfinished_cancelled', { kind, link });
    default:
      return tRich('imports.undo.note.undone', { kind, link });
  }
}
