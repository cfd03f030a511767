// A note on a job that was undone, or whose undo is running, with a link to the undo.

import { h } from '../core/dom.js';
import { icon } from '../core/icons.js';
import { nounOf } from './job.js';
import { importAddress } from './steps.js';

/** @import { ImportDetail } from '../core/types.d.ts' */

/**
 * Create the note.
 * @param {ImportDetail} job a job that has an undo
 * @returns {HTMLElement}
 */
export function createUndoNote(job) {
  const href = importAddress(job.undone_by ?? '');
  const [sentence, label] = wordsOf(job);
  return h(
    'p',
    { class: 'note', data: { testid: 'undone-note' } },
    icon('undo'),
    h('span', {}, `${sentence} `, job.undo ? [h('a', { href, text: label }), '.'] : null),
  );
}

/**
 * @param {ImportDetail} job
 * @returns {[sentence: string, label: string]}
 */
function wordsOf(job) {
  const noun = nounOf(job);
  switch (job.undo_state) {
    case 'undoing':
      return [`This ${noun} is being undone.`, 'Watch the undo'];
    case 'partly_undone':
      return [`This ${noun} was undone in part: products that were edited since were left alone.`, 'See which'];
    case 'undo_failed':
    case 'undo_cancelled':
      return [
        `The undo of this ${noun} did not finish: ${job.undo?.error_message ?? 'it was cancelled.'}`,
        'See the undo',
      ];
    default:
      return [`This ${noun} was undone.`, 'See the undo'];
  }
}
