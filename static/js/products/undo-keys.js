// Ctrl+Z and its repetition on the products screen: the last action comes first, be it an edit or a deletion.

import { closestTo } from '../core/dom.js';
import { undoKey } from './undo-stack.js';
import { lastDeletionAt, undoDeletion } from './undoable-deletes.js';
import { lastEditAt, redoEdit, undoEdit } from './undoable-edits.js';

/** @import { Product } from '../core/types.d.ts' */

/**
 * Follow the keys.
 * @param {(product: Product) => void} onChanged called with each product that was changed back or again
 * @returns {{undo: () => void, stop: () => void}} `undo` does what Ctrl+Z does
 */
export function installUndoKeys(onChanged) {
  /** @param {'undo' | 'redo'} wanted */
  async function run(wanted) {
    if (wanted === 'undo' && lastDeletionAt() > lastEditAt()) return undoDeletion();
    const products = await (wanted === 'undo' ? undoEdit() : redoEdit());
    return products.forEach(onChanged);
  }

  /** @param {KeyboardEvent} event */
  const onKey = (event) => {
    const wanted = undoKey(event);
    if (!wanted || event.repeat || isElsewhere(event)) return;
    event.preventDefault();
    run(wanted);
  };
  document.addEventListener('keydown', onKey);
  return { undo: () => run('undo'), stop: () => document.removeEventListener('keydown', onKey) };
}

/**
 * Return whether a key belongs to a text field or a dialog, which may have an undo of its own.
 * @param {KeyboardEvent} event
 */
const isElsewhere = (event) =>
  closestTo(event, 'textarea, select, [contenteditable], input:not([type=checkbox])') !== null ||
  document.querySelector('dialog[open]') !== null;
