// Who changed a product last, as its dialog shows it.

import { getJson } from '../core/api.js';
import { h } from '../core/dom.js';
import { may } from '../core/session.js';
import { addressOf } from './save-queue.js';

/** @import { Child } from '../core/dom.js' */
/** @import { LastChange } from '../core/types.d.ts' */

/** @type {Record<NonNullable<LastChange['how']>, string>} */
const WAYS = {
  page: 'on this page',
  api: 'with an API key',
  import: 'with an import',
  bulk: 'together with others',
  undo: 'by an undo',
};

/**
 * Fetch the last change of a product.
 * @param {number} id
 * @returns {Promise<LastChange | null>} null if it cannot be loaded: the dialog works without it
 */
export async function fetchLastChange(id) {
  try {
    return await getJson(`${addressOf(id)}/last-change`);
  } catch {
    return null;
  }
}

/**
 * Return the rows of a description list.
 * @param {number} id of the product
 * @param {LastChange} change
 * @returns {Child[]}
 */
export function describeLastChange(id, { by, how, import: taskId }) {
  /**
   * @param {string} href
   * @param {string} text
   * @param {string} testid
   */
  const link = (href, text, testid) => h('a', { href, text, data: { testid } });
  const way = how ? WAYS[how] : '';
  const author = by?.name ? h('span', { dir: 'auto', text: by.name }) : null;
  const isKnown = Boolean(author || way);
  return [
    isKnown && h('dt', { text: 'Changed by' }),
    isKnown &&
      h(
        'dd',
        { data: { testid: 'last-change' } },
        author,
        author && way ? ' · ' : null,
        taskId ? link(`#/imports/${encodeURIComponent(taskId)}/result`, way, 'last-change-import') : way,
      ),
    may('admin') && h('dt', { text: 'History' }),
    may('admin') &&
      h(
        'dd',
        {},
        link(`#/activity?${new URLSearchParams({ target: `product:${id}` })}`, 'All changes', 'product-activity'),
      ),
  ];
}
