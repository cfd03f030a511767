// Ctrl+Z for edits: inline edits, pasted blocks, the switch and the dialog, of any products in this tab.

import { NetworkError, messageOf, nextStep } from '../core/api.js';
import { clearBanner, showBanner } from '../core/banner.js';
import { h } from '../core/dom.js';
import { errorTexts } from '../core/error-texts.js';
import { createSignal } from '../core/event-bus.js';
import { oneLine } from '../core/format.js';
import { t, tRich } from '../core/i18n.js';
import { sessionChanged } from '../core/session.js';
import { toast } from '../core/toast.js';
import { allSettled, productsEdited, saveProducts } from './save-queue.js';
import { createUndoStack, describeValues } from './undo-stack.js';

/** @import { Child } from '../core/dom.js' */
/** @import { Signal } from '../core/event-bus.js' */
/** @import { EditOutcomes, Product } from '../core/types.d.ts' */
/** @import { UndoStep } from './undo-stack.js' */

/** @typedef {EditOutcomes['outcomes'][number]} EditOutcome */

const BANNER_KEY = 'undo-edit';
const NOT_FOUND = 404;

const stack = createUndoStack();

/**
 * The edits that can be undone or repeated are others than before.
 * @type {Signal<void>}
 */
export const undoChanged = createSignal();
productsEdited.subscribe((edits) => {
  stack.record(edits);
  undoChanged.emit();
});
sessionChanged.subscribe(() => {
  stack.clear();
  undoChanged.emit();
});

/** @type {Promise<Product[]>} */
let turn = Promise.resolve([]);

/** @returns {number} when the last edits that can be undone were made, in milliseconds; 0 if there are none */
export const lastEditAt = () => stack.lastDone()?.at ?? 0;

/** Return whether an edit was undone that can be repeated. */
export const hasUndone = () => stack.lastUndone() !== undefined;

/**
 * Undo the last edit, or the last edits that were made together, after edits that are still being saved and earlier
 * undos.
 * @returns {Promise<Product[]>} the products that were changed back, as they are now
 */
export const undoEdit = () => next('undo');

/**
 * Repeat what was undone last.
 * @returns {Promise<Product[]>} the products that were changed again, as they are now
 */
export const redoEdit = () => next('redo');

/** @param {'undo' | 'redo'} direction */
function next(direction) {
  turn = turn.then(async () => {
    await allSettled();
    const step = direction === 'undo' ? stack.lastDone() : stack.lastUndone();
    return step ? write(direction, step) : [];
  });
  return turn;
}

/**
 * @param {'undo' | 'redo'} direction
 * @param {UndoStep} step
 * @returns {Promise<Product[]>}
 */
async function write(direction, step) {
  const edits = step.edits.map(({ id, before, after, from, to }) => {
    const [changes, version] = direction === 'undo' ? [before, to] : [after, from];
    return { id, changes, version: () => ({ updated_at: version }) };
  });
  const { answer, error } = await saveProducts(edits, { isRecorded: false });
  if (!answer) {
    // A later attempt can succeed.
    report(direction, step, reason(error));
    return [];
  }
  const refused = answer.outcomes.filter(({ outcome }) => outcome === 'refused');
  const products = answer.outcomes.flatMap(({ outcome, product }) =>
    outcome === 'refused' || !product ? [] : [product],
  );
  stack.forget(refused.map(({ id }) => id));
  if (products.length) noteDone(direction, products);
  undoChanged.emit();
  if (products.length) toast(describe(products, edits[0]?.changes ?? {}));
  if (refused.length) reportRefused(direction, step, refused);
  else clearBanner(BANNER_KEY);
  return products;
}

/**
 * @param {'undo' | 'redo'} direction
 * @param {Product[]} products
 */
function noteDone(direction, products) {
  const versions = new Map(products.map((product) => [product.id, product.updated_at]));
  if (direction === 'undo') stack.noteUndone(versions);
  else stack.noteRepeated(versions);
}

/**
 * @param {Product[]} products
 * @param {UndoStep['edits'][number]['before']} values of the first product
 * @returns {Child}
 */
function describe(products, values) {
  const [first, ...others] = products;
  if (!first || others.length) return t('products.undo.several', { count: products.length });
  return describeValues(oneLine(first.sku, 40), values, (parts) => h('bdi', {}, parts));
}

/**
 * @param {'undo' | 'redo'} direction
 * @param {UndoStep} step
 * @param {EditOutcome[]} refused
 */
function reportRefused(direction, step, refused) {
  const edits = step.edits.filter(({ id }) => refused.some((outcome) => outcome.id === id));
  const isGone = refused.every(({ error }) => error?.status === NOT_FOUND);
  const isTaken = refused.every(({ error }) => error?.code === 'duplicate_sku');
  const several = refused.length > 1;
  let detail = t('products.undo.changed_since', { isOne: !several });
  if (isGone) detail = several ? t('products.undo.gone') : t('products.save.gone');
  if (isTaken) detail = errorTexts(refused[0]?.error ?? {}).message ?? '';
  report(direction, { ...step, edits }, detail, step.edits.length);
}

/**
 * Say that something was not undone.
 * @param {'undo' | 'redo'} direction
 * @param {UndoStep} step the edits that were not undone
 * @param {string} detail
 * @param {number} [total] number of edits that were to be undone
 */
function report(direction, step, detail, total = step.edits.length) {
  const [first] = step.edits;
  const count = step.edits.length;
  const sku = h('bdi', { text: oneLine(first?.sku ?? '', 60) });
  let title = tRich('products.undo.not_one', { sku, direction });
  if (total > 1) title = tRich('products.undo.not_all', { total, direction });
  if (total > count) title = tRich('products.undo.not_some', { count, total, direction });
  showBanner({ key: BANNER_KEY, tone: 'warning', title, detail });
}

/** @param {unknown} error */
function reason(error) {
  if (error instanceof NetworkError) return t('products.undo.unreachable');
  return [messageOf(error), nextStep(error)].filter(Boolean).join(' ');
}
