// A note on a job that was undone, or whose undo is running, with a link to the undo.

import { getJson } from '../core/api.js';
import { fill, h } from '../core/dom.js';
import { icon } from '../core/icons.js';
import { describeCounts, jobCounts } from './descriptions.js';
import { importApiPath } from './job-actions.js';
import { isRunning } from './job.js';
import { importAddress } from './steps.js';

/** @import { ImportDetail } from '../core/types.d.ts' */

/**
 * Create the note. It shows the state of the undo once that is loaded.
 * @param {string} undoId the task id of the undo
 * @param {string} noun what the sentence calls the job
 * @returns {HTMLElement}
 */
export function createUndoNote(undoId, noun) {
  const text = h('span', {});
  /**
   * @param {string} sentence
   * @param {string} label of the link
   */
  const show = (sentence, label) =>
    fill(text, `${sentence} `, h('a', { href: importAddress(undoId), text: label }), '.');
  const load = async () => {
    try {
      /** @type {ImportDetail} */
      const undo = await getJson(importApiPath(undoId));
      if (isRunning(undo)) show(`This ${noun} is being undone.`, 'Watch the undo');
      else if (undo.status === 'completed') {
        const counts = jobCounts(undo).filter(({ value }) => value);
        show(`This ${noun} was undone: ${describeCounts(counts)}.`, 'See the undo');
      } else show(`The undo of this ${noun} did not finish.`, 'See the undo');
    } catch {
      // The note keeps its first sentence.
    }
  };
  show(`An undo of this ${noun} was started.`, 'See the undo');
  load();
  return h('p', { class: 'note', data: { testid: 'undone-note' } }, icon('undo'), text);
}
