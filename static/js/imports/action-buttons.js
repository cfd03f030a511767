// Buttons that several steps of an import have.

import { h } from '../core/dom.js';
import { icon } from '../core/icons.js';
import { go } from '../core/router.js';
import { may } from '../core/session.js';
import { deleteImport } from './delete-import.js';
import { pickFiles } from './drop-zone.js';
import { hasListedProducts, nounOf, productsAddress } from './job.js';
import { importAddress } from './steps.js';
import { askToUndo } from './undo-dialog.js';
import { labelWithDeadline } from './undo-texts.js';

/** @import { ImportDetail, ImportJob } from '../core/types.d.ts' */
/** @import { StepContext } from './job-actions.js' */

/**
 * Create a button that does nothing while it is aria-disabled. People who may only look at imports do not get it.
 * @param {string} text
 * @param {string} testid
 * @param {(button: HTMLButtonElement) => unknown} run
 * @param {string} [look] extra class
 * @param {Node | null} [shape] icon
 * @returns {HTMLButtonElement}
 */
export function createActionButton(text, testid, run, look = 'button-primary', shape = null) {
  const button = h('button', { class: `button ${look}`.trim(), type: 'button', data: { testid } }, shape, text);
  button.addEventListener('click', ({ detail: clicks }) => {
    // A double click counts once.
    if (clicks < 2 && button.getAttribute('aria-disabled') !== 'true') run(button);
  });
  button.hidden = !may('imports:write');
  return button;
}

/**
 * Create the button that cancels an import. After the call it stays busy until the page shows that the import has
 * ended.
 * @param {StepContext} context
 * @param {string} [text]
 */
export function createCancelButton({ runAction }, text = 'Cancel') {
  return createActionButton(
    text,
    'cancel-import',
    async (button) => {
      const job = await runAction('cancel', { button, busy: 'Cancelling…' });
      if (!job) return;
      button.setAttribute('aria-disabled', 'true');
      button.textContent = 'Cancelling…';
    },
    '',
  );
}

/**
 * Create the button that starts a job again: an import with its stored file.
 * @param {StepContext} context
 */
export const createRetryButton = ({ runAction }) =>
  createActionButton(
    'Try again',
    'retry-import',
    (button) => runAction('retry', { button, busy: 'Starting…' }),
    'button-primary',
    icon('refresh'),
  );

/**
 * Create the button that reads the file of an all-or-nothing import again and sets its rejected rows aside.
 * @param {StepContext} context
 * @param {string} [look] extra class
 */
export const createSkipRejectsButton = ({ runAction }, look = 'button-small') =>
  createActionButton(
    'Set them aside instead',
    'skip-rejects',
    (button) => runAction('retry', { button, busy: 'Reading again…', body: { preview: true, on_reject: 'skip' } }),
    look,
  );

/**
 * Create the button that opens the file dialog.
 * @param {string} text
 * @param {boolean} [isPrimary]
 */
export const createChooseFileButton = (text, isPrimary = false) =>
  createActionButton(text, 'another-file', pickFiles, isPrimary ? 'button-primary' : '');

/**
 * Create the link to the products: to those that a job has created or updated, if there are any.
 * @param {boolean} [isPrimary]
 * @param {ImportJob} [job]
 */
export const createProductsLink = (isPrimary = false, job = undefined) =>
  h('a', {
    class: `button ${isPrimary ? 'button-primary' : ''}`.trim(),
    href: job && hasListedProducts(job) ? productsAddress(job) : '#/products',
    text: 'See the products',
    data: { testid: 'see-products' },
  });

/**
 * Create the button that asks for a confirmation and then deletes an import.
 * @param {ImportJob} job an import or an undo that has ended
 */
export const createDeleteButton = (job) =>
  createActionButton(
    'Delete',
    'delete-import',
    async () => {
      if (await deleteImport(job)) go('#/import');
    },
    'button-quiet import-delete',
    icon('trash'),
  );

/**
 * Create the button that asks for a confirmation and then undoes an import or a bulk change.
 * @param {ImportDetail} job one that can be undone
 * @param {() => Promise<void>} reload called if it cannot be undone any more
 */
export const createUndoButton = (job, reload) =>
  createActionButton(
    labelWithDeadline(job.left_alone_count ? 'Undo the rest' : `Undo this ${nounOf(job)}`, job.undo_until),
    'undo-import',
    async () => {
      const undo = await askToUndo(job, reload);
      if (undo) go(importAddress(undo.task_id, 'progress'));
    },
    'button-danger-quiet',
    icon('undo'),
  );
