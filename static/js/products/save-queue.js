// Sends changes of products: one after the other for each product, each with the version it was made on.

import { NetworkError, etagOf, getJson, sendJson } from '../core/api.js';
import { createSignal } from '../core/event-bus.js';

/**
 * What a change of this page did to the catalogue.
 * @typedef {object} OwnChange
 * @property {number[]} ids the products that were changed
 * @property {number} delta how many more products there are now; negative after a deletion
 * @property {object} [product] the new version of a product that was changed
 */

const queues = new Map();

/** @param {number} id @returns {string} */
export const addressOf = (id) => `/api/products/${id}`;

/**
 * This page starts a change of the catalogue. Together with `ownChangeEnded` it distinguishes own changes from those of
 * others.
 * @type {import('../core/event-bus.js').Signal<void>}
 */
export const ownChangeStarted = createSignal();

/**
 * A change of this page has ended, successfully or not.
 * @type {import('../core/event-bus.js').Signal<OwnChange>}
 */
export const ownChangeEnded = createSignal();

/**
 * Does something that changes the catalogue.
 * @param {() => Promise<any>} work
 * @param {(answer: any) => {ids: number[], delta?: number, product?: object}} touched
 * @returns {Promise<any>} what the work returned
 */
export async function ownChange(work, touched) {
  ownChangeStarted.emit();
  let result = { ids: [], delta: 0 };
  try {
    const answer = await work();
    result = { delta: 0, ...touched(answer) };
    return answer;
  } finally {
    ownChangeEnded.emit(result);
  }
}

/**
 * Changes some fields of a product; earlier changes of the same product are waited for.
 * @param {number} id
 * @param {object} changes
 * @param {() => object} version the product the change was made on, asked when its turn comes
 * @returns {Promise<{product?: object, present?: object, error?: Error}>} present: what the product is now, when it was
 *   changed by someone else
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
