// Sends changes of products: one after the other for each product, each with the version it was made on.

import { NetworkError, etagOf, getJson, sendJson } from '../core/api.js';

const queues = new Map();
const watchers = new Set();

/** @param {number} id @returns {string} */
export const addressOf = (id) => `/api/products/${id}`;

/**
 * Tells when this page changes the catalogue, so that its own changes are not taken for someone else's.
 * @param {{onBegin: () => void, onEnd: (result: {ids: number[], delta: number, product?: object}) => void}} watcher
 *   delta: products more or fewer; product: the new version of one that was changed
 * @returns {() => void} stops it
 */
export function watchOwnChanges(watcher) {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

/**
 * Does something that changes the catalogue.
 * @param {() => Promise<any>} work
 * @param {(answer: any) => {ids: number[], delta?: number, product?: object}} touched
 * @returns {Promise<any>} what the work returned
 */
export async function ownChange(work, touched) {
  watchers.forEach((watcher) => watcher.onBegin());
  let result = { ids: [], delta: 0 };
  try {
    const answer = await work();
    result = { delta: 0, ...touched(answer) };
    return answer;
  } finally {
    watchers.forEach((watcher) => watcher.onEnd(result));
  }
}

/**
 * Changes some fields of a product; earlier changes of the same product are waited for.
 * @param {number} id
 * @param {object} changes
 * @param {() => object} version the product the change was made on, asked when its turn comes
 * @returns {Promise<{product?: object, present?: object, error?: Error}>} present: what the product is now, when it was changed by someone else
 */
export function saveProduct(id, changes, version) {
  const turn = (queues.get(id) ?? Promise.resolve()).then(() => send(id, changes, version()));
  queues.set(id, turn);
  turn.then(() => queues.get(id) === turn && queues.delete(id));
  return turn;
}

/** @param {number} id @returns {Promise<any>} resolves when no change of this product is on its way */
export const settled = (id) => queues.get(id) ?? Promise.resolve();

async function send(id, changes, version) {
  try {
    const put = () => sendJson('PUT', addressOf(id), { body: changes, ifMatch: etagOf(version) });
    return { product: await ownChange(put, (product) => ({ ids: [id], product })) };
  } catch (error) {
    return error.status === 412 ? lookAtPresent(id, changes) : { error };
  }
}

async function lookAtPresent(id, changes) {
  try {
    const present = await getJson(addressOf(id));
    // Both wrote the same: nothing is lost.
    const same = Object.entries(changes).every(([field, value]) => present[field] === value);
    return same ? { product: present } : { present };
  } catch (error) {
    return { error };
  }
}

/**
 * @param {Error} error of a save
 * @param {string} [field]
 * @returns {string} what to say beside the field
 */
export function sentenceFor(error, field) {
  if (error instanceof NetworkError) return 'The server cannot be reached. What you typed is kept.';
  if (error.status === 404) return 'This product was deleted by someone else.';
  return error.fields?.[field]?.join(' ') || error.message;
}
