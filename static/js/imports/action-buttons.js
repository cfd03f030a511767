// Buttons that several steps of an import have.

import { sendJson } from '../core/api.js';
import { askToConfirm } from '../core/confirm.js';
import { h } from '../core/dom.js';
import { formatCount, formatMoment, formatNumber } from '../core/format.js';
import { icon } from '../core/icons.js';
import { go } from '../core/router.js';
import { pickFiles } from './drop-zone.js';
import { importApiPath } from './job-actions.js';
import { importAddress } from './steps.js';

/**
 * A button that does nothing while it says that it cannot.
 * @param {string} text
 * @param {string} testid
 * @param {(button: HTMLButtonElement) => void} run
 * @param {string} [look]
 * @param {Node} [shape]
 */
export function createActionButton(text, testid, run, look = 'button-primary', shape = null) {
  const button = h(
    'button',
    {
      class: `button ${look}`.trim(),
      type: 'button',
      data: { testid },
      on: { click: () => button.getAttribute('aria-disabled') !== 'true' && run(button) },
    },
    shape,
    text,
  );
  return button;
}

/** Stays busy until the import has ended: a worker takes up to two seconds to notice. */
export function createCancelButton({ call }, text = 'Cancel') {
  return createActionButton(
    text,
    'cancel-import',
    async (button) => {
      const answer = await call('cancel', { button, busy: 'Cancelling…' });
      if (!answer) return;
      button.setAttribute('aria-disabled', 'true');
      button.textContent = 'Cancelling…';
    },
    '',
  );
}

/** @param {import('./detail-screen.js').StepContext} context */
export const createRetryButton = ({ call }) =>
  createActionButton(
    'Try again',
    'retry-import',
    (button) => call('retry', { button, busy: 'Starting…' }),
    'button-primary',
    icon('refresh'),
  );

/**
 * For an import that is all or nothing and has bad rows.
 * @param {import('./detail-screen.js').StepContext} context
 * @param {string} [look]
 */
export const createSkipRejectsButton = ({ call }, look = 'button-small') =>
  createActionButton(
    'Set them aside instead',
    'skip-rejects',
    (button) => {
      call('retry', { button, busy: 'Reading again…', body: { preview: true, on_reject: 'skip' } });
    },
    look,
  );

/** @param {string} text @param {boolean} isMain */
export const createChooseFileButton = (text, isMain = false) =>
  createActionButton(text, 'another-file', pickFiles, isMain ? 'button-primary' : '');

/** @param {boolean} [isMain] */
export const createProductsLink = (isMain = false) =>
  h('a', { class: `button ${isMain ? 'button-primary' : ''}`.trim(), href: '#/products', text: 'See the products' });

/** @param {object} job that can be taken back @param {() => Promise<void>} reload */
export function createUndoButton(job, reload) {
  return createActionButton(
    'Undo this import',
    'undo-import',
    async () => {
      const undo = await askToConfirm({
        title: `Undo the import of “${job.filename}”?`,
        text: undoText(job),
        ok: 'Undo the import',
        run: async () => {
          try {
            return await sendJson('POST', importApiPath(job.task_id, 'undo'), { body: { started_from: 'page' } });
          } catch (error) {
            if (error.status === 409) reload();
            throw error;
          }
        },
      });
      if (undo) go(importAddress(undo.task_id, 'progress'));
    },
    'button-danger-quiet',
    icon('undo'),
  );
}

function undoText(job) {
  const parts = [
    job.created_count &&
      `${formatCount(job.created_count, 'product that it created is', 'products that it created are')} removed`,
    job.updated_count &&
      `${formatNumber(job.updated_count)} that it updated ` +
        `${job.updated_count === 1 ? 'gets its' : 'get their'} former values back`,
  ].filter(Boolean);
  return (
    `${parts.join(', ')}. Products that were edited since are left alone. ` +
    `This is possible until ${formatMoment(job.undo_until)}.`
  );
}
