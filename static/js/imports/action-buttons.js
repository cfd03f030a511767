// Buttons that several steps of an import have.

import { offer } from '../core/commands.js';
import { h } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { go } from '../core/router.js';
import { may } from '../core/session.js';
import { deleteImport } from './delete-import.js';
import { pickFiles } from './drop-zone.js';
import { hasListedProducts, productsAddress } from './job.js';
import { importAddress } from './steps.js';
import { askToUndo } from './undo-dialog.js';
import { labelWithDeadline } from './undo-texts.js';

/** @import { IconName } from '../core/icons.js' */
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
 * Offer what a button does in the command menu, too.
 * @param {HTMLButtonElement} button
 * @param {string} label
 * @param {IconName} shape
 * @param {(button: HTMLButtonElement) => unknown} run
 */
export const offerAction = (button, label, shape, run) =>
  offer(button, { id: button.dataset.testid ?? label, label, shape, run: () => run(button) });

/**
 * Create the button that cancels an import. After the call it stays busy until the page shows that the import has
 * ended.
 * @param {StepContext} context
 * @param {string} [text]
 */
export function createCancelButton({ runAction }, text = t('common.cancel')) {
  /** @param {HTMLButtonElement} button */
  const cancel = async (button) => {
    const job = await runAction('cancel', { button, busy: t('imports.job.cancelling') });
    if (!job) return;
    button.setAttribute('aria-disabled', 'true');
    button.textContent = t('imports.job.cancelling');
  };
  return offerAction(
    createActionButton(text, 'cancel-import', cancel, ''),
    t('imports.job.cancel_this'),
    'slash',
    cancel,
  );
}

/**
 * Create the button that starts a job again: an import with its stored file.
 * @param {StepContext} context
 */
export function createRetryButton({ runAction }) {
  /** @param {HTMLButtonElement} button */
  const retry = (button) => runAction('retry', { button, busy: t('imports.job.starting') });
  const button = createActionButton(t('common.try_again'), 'retry-import', retry, 'button-primary', icon('refresh'));
  return offerAction(button, t('imports.job.retry_this'), 'refresh', retry);
}

/**
 * Create the button that reads the file of an all-or-nothing import again and sets its rejected rows aside.
 * @param {StepContext} context
 * @param {string} [look] extra class
 */
export const createSkipRejectsButton = ({ runAction }, look = 'button-small') =>
  createActionButton(
    t('imports.job.skip_rejects'),
    'skip-rejects',
    (button) =>
      runAction('retry', { button, busy: t('imports.job.reading_again'), body: { preview: true, on_reject: 'skip' } }),
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
    text: t('imports.job.see_products'),
    data: { testid: 'see-products' },
  });

/**
 * Create the button that asks for a confirmation and then deletes an import.
 * @param {ImportJob} job an import or an undo that has ended
 */
export function createDeleteButton(job) {
  const remove = async () => {
    if (await deleteImport(job)) go('#/import');
  };
  const look = 'button-quiet import-delete';
  const button = createActionButton(t('common.delete'), 'delete-import', remove, look, icon('trash'));
  return offerAction(button, t('imports.job.delete.menu', { kind: job.kind }), 'trash', remove);
}

/**
 * Create the button that asks for a confirmation and then undoes an import or a bulk change.
 * @param {ImportDetail} job one that can be undone
 * @param {() => Promise<void>} reload called if it cannot be undone any more
 */
export function createUndoButton(job, reload) {
  const { kind } = job;
  const isRest = Boolean(job.left_alone_count);
  const text = isRest ? t('imports.undo.button_rest') : t('imports.undo.button', { kind });
  const command = isRest ? t('imports.undo.button_rest_menu') : t('imports.undo.button_menu', { kind });
  const undo = async () => {
    const started = await askToUndo(job, reload);
    if (started) go(importAddress(started.task_id, 'progress'));
  };
  const label = labelWithDeadline(text, job.undo_until);
  const button = createActionButton(label, 'undo-import', undo, 'button-danger-quiet', icon('undo'));
  return offerAction(button, command, 'undo', undo);
}
