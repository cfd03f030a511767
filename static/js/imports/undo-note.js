// Beside an import that was taken back, or whose undo is under way: what became of that.

import { getJson } from '../core/api.js';
import { fill, h } from '../core/dom.js';
import { icon } from '../core/icons.js';
import { describeCounts, jobCounts } from './descriptions.js';
import { importApiPath } from './job-actions.js';
import { isRunning } from './job.js';
import { importAddress } from './steps.js';

/** @param {object} job with an undo @returns {HTMLElement} */
export function createUndoNote(job) {
  const text = h('span', {});
  const show = (words, label) => fill(text, words, h('a', { href: importAddress(job.undone_by), text: label }), '.');
  show('An undo of this import was started: ', 'see what it took back');
  getJson(importApiPath(job.undone_by))
    .then((undo) => {
      if (undo.status === 'completed') {
        show(
          `This import was taken back: ${describeCounts(jobCounts(undo).filter(({ value }) => value))}. `,
          'See the undo',
        );
      } else if (isRunning(undo)) show('This import is being taken back. ', 'Watch the undo');
      else show('The undo of this import did not finish. ', 'See the undo');
    })
    .catch(() => {
      // The link says the same.
    });
  return h('p', { class: 'note', data: { testid: 'undone-note' } }, icon('undo'), text);
}
