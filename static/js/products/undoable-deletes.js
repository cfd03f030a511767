// Deletions that can be undone for ten seconds. The products disappear at once; the request is sent when the time is
// over or the page is left.

import { NetworkError, hasStatus, messageOf, nextStep, sendJson } from '../core/api.js';
import { showBanner } from '../core/banner.js';
import { h } from '../core/dom.js';
import { createSignal } from '../core/event-bus.js';
import { oneLine } from '../core/format.js';
import { t, tRich } from '../core/i18n.js';
import { messageContent } from '../core/message-text.js';
import { toast } from '../core/toast.js';
import { addressOf, ownChange } from './save-queue.js';

/** @import { Signal } from '../core/event-bus.js' */
/** @import { Product } from '../core/types.d.ts' */

/**
 * A deletion that is not finished.
 * @typedef {object} Deletion
 * @property {number[]} ids
 * @property {string | HTMLElement} name of the products
 * @property {string} list key of the filter
 * @property {boolean} isSent
 * @property {number} at when it was made, in milliseconds
 * @property {number} timer
 * @property {() => void} removeToast
 */

const UNDO_MS = 10_000;

/** The largest number of products that can be deleted with an undo; more need a confirmation. */
export const UNDOABLE_COUNT = 20;

/** @type {Set<Deletion>} */
const waiting = new Set();
/** @type {Set<number>} */
const gone = new Set();

/**
 * Products were hidden, or restored by an undo or after a failure.
 * @type {Signal<{isRestored: boolean}>}
 */
export const deletesChanged = createSignal();

/** @param {number} id @returns {boolean} whether the product is deleted or will be */
export const isRemoved = (id) => gone.has(id) || [...waiting].some((entry) => entry.ids.includes(id));

/**
 * @param {string} list key of the current filter
 * @returns {number} the number of hidden products that the server still counts
 */
export function removedIn(list) {
  return [...waiting]
    .filter((entry) => entry.list === list || list === '')
    .reduce((sum, entry) => sum + entry.ids.length, 0);
}

/**
 * Hide products, and delete them unless the user clicks "Undo" in time.
 * @param {Product[]} products at most UNDOABLE_COUNT
 * @param {string} list key of the filter that they were found with
 */
export function deleteWithUndo(products, list) {
  const name = nameOf(products);
  const ids = products.map((product) => product.id);
  const notice = toast(tRich('products.deletion.done', { name }), {
    label: t('products.undo.label'),
    run: () => undo(entry),
    testid: 'undo',
    shownMs: Infinity,
  });
  /** @type {Deletion} */
  const entry = { ids, name, list, isSent: false, at: Date.now(), timer: 0, removeToast: notice.remove };
  entry.timer = setTimeout(() => send(entry), UNDO_MS);
  waiting.add(entry);
  deletesChanged.emit({ isRestored: false });
}

const lastDeletion = () => [...waiting].filter((candidate) => !candidate.isSent).at(-1);

/** @returns {number} when the last deletion that can be undone was made, in milliseconds; 0 if there is none */
export const lastDeletionAt = () => lastDeletion()?.at ?? 0;

/** Undo the last deletion, if it can still be undone. */
export function undoDeletion() {
  const entry = lastDeletion();
  if (entry) undo(entry);
}

/** @param {Deletion} entry */
function undo(entry) {
  entry.removeToast();
  clearTimeout(entry.timer);
  waiting.delete(entry);
  deletesChanged.emit({ isRestored: true });
}

/**
 * @param {Deletion} entry
 * @param {{keepalive?: boolean}} [options] `keepalive` lets the request outlive the page
 */
async function send(entry, { keepalive = false } = {}) {
  if (entry.isSent) return;
  entry.isSent = true;
  clearTimeout(entry.timer);
  entry.removeToast();
  try {
    await ownChange(
      () => request(entry.ids, keepalive),
      () => {
        entry.ids.forEach((id) => gone.add(id));
        waiting.delete(entry);
        return { ids: entry.ids, delta: -entry.ids.length };
      },
    );
  } catch (error) {
    waiting.delete(entry);
    deletesChanged.emit({ isRestored: true });
    showBanner({
      key: `removal-${entry.ids.join('-')}`,
      title: [tRich('products.deletion.failed', { name: entry.name }), ' ', messageContent(messageOf(error))],
      detail: error instanceof NetworkError ? t('products.deletion.advice') : nextStep(error),
    });
  }
}

/**
 * @param {number[]} ids
 * @param {boolean} keepalive
 */
async function request(ids, keepalive) {
  const [first] = ids;
  if (first === undefined) return null;
  if (ids.length > 1) return sendJson('POST', '/api/products/bulk', { body: { action: 'delete', ids }, keepalive });
  try {
    return await sendJson('DELETE', addressOf(first), { keepalive });
  } catch (error) {
    // Another client has deleted it already.
    if (hasStatus(error, 404)) return null;
    throw error;
  }
}

/**
 * @param {Product[]} products
 * @returns {string | HTMLElement}
 */
function nameOf(products) {
  const [first, ...others] = products;
  if (first && !others.length) return h('bdi', { text: oneLine(first.sku, 40) });
  return t('products.count', { count: products.length });
}

window.addEventListener('pagehide', () => [...waiting].forEach((entry) => send(entry, { keepalive: true })));
