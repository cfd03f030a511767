// Deleting a few products: out of sight at once, undone with one click, sent when the time for that is over or the page
// is left.

import { NetworkError, nextStep, sendJson } from '../core/api.js';
import { showBanner } from '../core/banner.js';
import { h } from '../core/dom.js';
import { createSignal } from '../core/event-bus.js';
import { formatCount, oneLine } from '../core/format.js';
import { toast } from '../core/toast.js';
import { addressOf, ownChange } from './save-queue.js';

const UNDO_MS = 10_000;

/** More products than this are deleted at once, after a question. */
export const UNDOABLE_COUNT = 20;

const waiting = new Set();
const gone = new Set();

/**
 * Products were taken out of sight, or restored (by an undo, or because the deletion failed).
 * @type {import('../core/event-bus.js').Signal<{isRestored: boolean}>}
 */
export const deletesChanged = createSignal();

/** @param {number} id @returns {boolean} whether the product is deleted, or about to be */
export const isRemoved = (id) => gone.has(id) || [...waiting].some((entry) => entry.ids.includes(id));

/**
 * @param {string} list key of the filter in view
 * @returns {number} how many products in it are about to be deleted, but still counted by the server
 */
export function removedIn(list) {
  return [...waiting]
    .filter((entry) => entry.list === list || list === '')
    .reduce((sum, entry) => sum + entry.ids.length, 0);
}

/**
 * @param {{id: number, sku: string}[]} products at most UNDOABLE_COUNT
 * @param {string} list key of the filter they were found with
 */
export function removeProducts(products, list) {
  const entry = { ids: products.map((product) => product.id), name: nameOf(products), list };
  const notice = toast([entry.name, ' deleted'], {
    label: 'Undo',
    run: () => undo(entry),
    testid: 'undo',
    shownMs: Infinity,
  });
  entry.removeToast = notice.remove;
  entry.timer = setTimeout(() => send(entry), UNDO_MS);
  waiting.add(entry);
  deletesChanged.emit({ isRestored: false });
}

/** @returns {boolean} whether there was something to bring back */
export function undoLast() {
  const entry = [...waiting].filter((candidate) => !candidate.isSent).at(-1);
  if (entry) undo(entry);
  return Boolean(entry);
}

function undo(entry) {
  entry.removeToast();
  clearTimeout(entry.timer);
  waiting.delete(entry);
  deletesChanged.emit({ isRestored: true });
}

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
      title: [entry.name, ` could not be deleted. ${error.message}`],
      detail: error instanceof NetworkError ? 'Check that the server is running, then delete again.' : nextStep(error),
    });
  }
}

async function request(ids, keepalive) {
  if (ids.length > 1) return sendJson('POST', '/api/products/bulk', { body: { action: 'delete', ids }, keepalive });
  try {
    return await sendJson('DELETE', addressOf(ids[0]), { keepalive });
  } catch (error) {
    // Gone is gone, whoever did it.
    if (error.status === 404) return null;
    throw error;
  }
}

function nameOf(products) {
  return products.length === 1
    ? h('bdi', { text: oneLine(products[0].sku, 40) })
    : formatCount(products.length, 'product');
}

window.addEventListener('pagehide', () => [...waiting].forEach((entry) => send(entry, { keepalive: true })));
