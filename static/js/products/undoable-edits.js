// Ctrl+Z for edits: inline edits, the switch and the dialog, of any product in this tab.

import { NetworkError, hasStatus, messageOf, nextStep } from '../core/api.js';
import { clearBanner, showBanner } from '../core/banner.js';
import { h } from '../core/dom.js';
import { oneLine } from '../core/format.js';
import { sessionChanged } from '../core/session.js';
import { toast } from '../core/toast.js';
import { allSettled, productEdited, saveProduct } from './save-queue.js';
import { createUndoStack, describeValues } from './undo-stack.js';

/** @import { Product } from '../core/types.d.ts' */
/** @import { ProductEdit } from './undo-stack.js' */

const BANNER_KEY = 'undo-edit';

const stack = createUndoStack();
productEdited.subscribe(stack.record);
sessionChanged.subscribe(stack.clear);

/** @type {Promise<Product | null>} */
let turn = Promise.resolve(null);

/** @returns {number} when the last edit that can be undone was made, in milliseconds; 0 if there is none */
export const lastEditAt = () => stack.lastDone()?.at ?? 0;

/** Return whether an edit was undone that can be repeated. */
export const hasUndone = () => stack.lastUndone() !== undefined;

/**
 * Undo the last edit, after edits that are still being saved and earlier undos.
 * @returns {Promise<Product | null>} the product as it is now; null if nothing was undone
 */
export const undoEdit = () => next('undo');

/**
 * Repeat the edit that was undone last.
 * @returns {Promise<Product | null>} the product as it is now; null if nothing was repeated
 */
export const redoEdit = () => next('redo');

/** @param {'undo' | 'redo'} direction */
function next(direction) {
  turn = turn.then(async () => {
    await allSettled();
    const edit = direction === 'undo' ? stack.lastDone() : stack.lastUndone();
    return edit ? write(direction, edit) : null;
  });
  return turn;
}

/**
 * @param {'undo' | 'redo'} direction
 * @param {ProductEdit} edit
 * @returns {Promise<Product | null>}
 */
async function write(direction, edit) {
  const [values, version] = direction === 'undo' ? [edit.before, edit.to] : [edit.after, edit.from];
  const { product, latest, error } = await saveProduct(edit.id, values, () => ({ updated_at: version }), {
    isRecorded: false,
  });
  if (!product) {
    report(direction, edit, latest ? null : error);
    return null;
  }
  clearBanner(BANNER_KEY);
  if (direction === 'undo') stack.noteUndone(product.updated_at);
  else stack.noteRepeated(product.updated_at);
  toast(
    describeValues(oneLine(product.sku, 40), values).map((part) =>
      typeof part === 'string' ? part : h('bdi', { text: part.value }),
    ),
  );
  return product;
}

/**
 * Say why nothing was undone.
 * @param {'undo' | 'redo'} direction
 * @param {ProductEdit} edit
 * @param {unknown} error null if the product has changed
 */
function report(direction, edit, error) {
  const isGone = hasStatus(error, 404);
  // A later attempt can succeed if the server could not be reached.
  if (!error || isGone) stack.forget(edit.id);
  const verb = direction === 'undo' ? 'undone' : 'repeated';
  showBanner({
    key: BANNER_KEY,
    tone: 'warning',
    title: ['The edit of ', h('bdi', { text: oneLine(edit.sku, 60) }), ` was not ${verb}.`],
    detail: reason(error, isGone),
  });
}

/**
 * @param {unknown} error
 * @param {boolean} isGone
 */
function reason(error, isGone) {
  if (!error) return 'The product has changed since. Open it to see its history and to restore a value.';
  if (isGone) return 'Someone else deleted this product.';
  if (error instanceof NetworkError) return 'The server cannot be reached. Try again when it can.';
  return [messageOf(error), nextStep(error)].filter(Boolean).join(' ');
}
