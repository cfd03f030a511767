// What happens to many products at once.

import { nextStep, sendJson } from '../core/api.js';
import { clearBanner, showBanner } from '../core/banner.js';
import { askToConfirm } from '../core/confirm.js';
import { formatCount } from '../core/format.js';
import { toast } from '../core/toast.js';
import { filterBody } from './query.js';
import { ownChange } from './save-queue.js';

const BANNER_KEY = 'products-bulk';
const WORD = 'delete';
// Some millions of rows take their time.
const TIMEOUT_MS = 600_000;
const VERBS = { activate: 'activated', deactivate: 'deactivated', delete: 'deleted' };

/**
 * @typedef {{ids?: number[], filter?: Record<string, string>, count: number}} Target by ids, or everything that a
 *   filter matches
 */

/**
 * Activates or deactivates; a failure becomes a banner that stays.
 * @param {'activate'|'deactivate'} action
 * @param {Target} target
 * @returns {Promise<boolean>} whether it was done
 */
export async function changeMany(action, target) {
  clearBanner(BANNER_KEY);
  try {
    report(action, await sendBulk(action, target));
    return true;
  } catch (error) {
    showBanner({
      key: BANNER_KEY,
      title: `The products could not be ${VERBS[action]}. ${error.message}`,
      detail: nextStep(error),
    });
    return false;
  }
}

/**
 * Asks, then deletes more products than can be brought back.
 * @param {Target} target
 * @returns {Promise<boolean>} whether it was done
 */
export async function deleteMany(target) {
  const products = formatCount(target.count, 'product');
  const answer = await askToConfirm({
    title: target.filter ? `Delete all ${products} that match?` : `Delete ${products}?`,
    text: 'They are deleted for good. An export made before brings them back when it is imported.',
    ok: `Delete ${products}`,
    run: () => sendBulk('delete', target),
  });
  if (answer) report('delete', answer);
  return Boolean(answer);
}

/**
 * Asks for the word, then deletes every product there is.
 * @param {number|null} count how many there are, when that is known
 * @returns {Promise<boolean>} whether it was done
 */
export async function deleteEverything(count) {
  const products = count === null ? 'all products' : `all ${formatCount(count, 'product')}`;
  const answer = await askToConfirm({
    title: `Delete ${products}?`,
    text: 'The whole catalogue is deleted for good. An export made before brings it back when it is imported.',
    ok: 'Delete all products',
    word: WORD,
    run: () =>
      ownChange(
        () => sendJson('DELETE', '/api/products/bulk-delete', { timeoutMs: TIMEOUT_MS }),
        () => ({ ids: [] }),
      ),
  });
  if (answer) report('delete', answer);
  return Boolean(answer);
}

function sendBulk(action, { ids, filter }) {
  const body = ids ? { action, ids } : { action, filter: filterBody(filter) };
  return ownChange(
    () => sendJson('POST', '/api/products/bulk', { body, timeoutMs: TIMEOUT_MS }),
    () => ({ ids: ids ?? [] }),
  );
}

function report(action, { count }) {
  toast(count ? `${formatCount(count, 'product')} ${VERBS[action]}` : 'Nothing had to change');
}
