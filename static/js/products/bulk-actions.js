// Changes of many products at once.

import { messageOf, nextStep, sendJson } from '../core/api.js';
import { clearBanner, showBanner } from '../core/banner.js';
import { askToConfirm } from '../core/confirm.js';
import { formatCount } from '../core/format.js';
import { toast } from '../core/toast.js';
import { filterBody } from './query.js';
import { ownChange } from './save-queue.js';

/** @import { BulkCount } from '../core/types.d.ts' */
/** @import { Filters } from './query.js' */

const BANNER_KEY = 'products-bulk';
const CONFIRMATION_WORD = 'delete';
// Deleting millions of rows can take minutes.
const TIMEOUT_MS = 600_000;
const VERBS = { activate: 'activated', deactivate: 'deactivated', delete: 'deleted' };

/** @typedef {'activate' | 'deactivate' | 'delete'} BulkAction */

/** @typedef {{count: number, ids: number[]} | {count: number, filter: Filters}} Target some products, or every match */

/**
 * Activate or deactivate products. A failure is shown in a banner.
 * @param {'activate' | 'deactivate'} action
 * @param {Target} target
 * @returns {Promise<boolean>} whether it succeeded
 */
export async function changeMany(action, target) {
  clearBanner(BANNER_KEY);
  try {
    report(action, await sendBulk(action, target));
    return true;
  } catch (error) {
    showBanner({
      key: BANNER_KEY,
      title: `The products could not be ${VERBS[action]}. ${messageOf(error)}`,
      detail: nextStep(error),
    });
    return false;
  }
}

/**
 * Delete products for good after a confirmation.
 * @param {Target} target
 * @returns {Promise<boolean>} whether they were deleted
 */
export async function deleteMany(target) {
  const products = formatCount(target.count, 'product');
  const answer = await askToConfirm({
    title: 'filter' in target ? `Delete all ${products} that match?` : `Delete ${products}?`,
    text: 'They are deleted for good. Importing an earlier export brings them back.',
    ok: `Delete ${products}`,
    run: () => sendBulk('delete', target),
  });
  if (answer) report('delete', answer);
  return Boolean(answer);
}

/**
 * Delete every product after the user has typed a word.
 * @param {number | null} count of products; null if it is unknown
 * @returns {Promise<boolean>} whether they were deleted
 */
export async function deleteEverything(count) {
  const products = count === null ? 'all products' : `all ${formatCount(count, 'product')}`;
  const answer = await askToConfirm({
    title: `Delete ${products}?`,
    text: 'The whole catalogue is deleted for good. Importing an earlier export brings it back.',
    ok: 'Delete all products',
    word: CONFIRMATION_WORD,
    run: () =>
      ownChange(
        () => sendJson('DELETE', '/api/products/bulk-delete', { timeoutMs: TIMEOUT_MS }),
        () => ({ ids: [] }),
      ),
  });
  if (answer) report('delete', answer);
  return Boolean(answer);
}

/**
 * @param {BulkAction} action
 * @param {Target} target
 * @returns {Promise<BulkCount>}
 */
function sendBulk(action, target) {
  const ids = 'ids' in target ? target.ids : [];
  const body = 'ids' in target ? { action, ids } : { action, filter: filterBody(target.filter) };
  return ownChange(
    () => sendJson('POST', '/api/products/bulk', { body, timeoutMs: TIMEOUT_MS }),
    () => ({ ids }),
  );
}

/**
 * @param {BulkAction} action
 * @param {BulkCount} result
 */
function report(action, { count }) {
  toast(count ? `${formatCount(count, 'product')} ${VERBS[action]}` : 'Nothing to change');
}
