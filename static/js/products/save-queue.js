// Saves changes of products: one request at a time per product, each with the version that was edited.

import { ApiError, NetworkError, etagOf, getJson, hasStatus, messageOf, sendJson } from '../core/api.js';
import { createSignal } from '../core/event-bus.js';
import { t } from '../core/i18n.js';
import { FIELDS } from './edit-conflict.js';

/** @import { Signal } from '../core/event-bus.js' */
/** @import { EditOutcomes, Product } from '../core/types.d.ts' */
/** @import { FieldName, FieldValues } from './edit-conflict.js' */
/** @import { ProductEdit } from './undo-stack.js' */

/**
 * The version of a product that an edit changes, with the values of the changed fields if the edit is recorded.
 * @typedef {FieldValues & Pick<Product, 'updated_at'>} EditedVersion
 */

/** @typedef {{isRecorded?: boolean}} SaveOptions `isRecorded`: whether the edit can be undone, true by default */

/**
 * The effect of a change that this page made.
 * @typedef {object} OwnChange
 * @property {number[]} ids of the changed products
 * @property {number} delta change of the number of products; negative after a deletion
 * @property {Product[]} [products] the new versions of changed products
 */

/**
 * The outcome of a save: the saved product, or the latest version if another client changed it, or the error.
 * @typedef {{product?: Product, latest?: Product, error?: unknown}} SaveResult
 */

/**
 * One of several edits that are saved with one request.
 * @typedef {object} QueuedEdit
 * @property {number} id of the product
 * @property {FieldValues} changes
 * @property {() => EditedVersion} version returns the edited version; called when it is the turn of the edits
 */

/**
 * What became of several edits: the answer of the server, or the error if there is none.
 * @typedef {{answer: EditOutcomes, error?: undefined} | {answer?: undefined, error: unknown}} SaveManyResult
 */

/** @type {Map<number, Promise<unknown>>} */
const queues = new Map();

/** @param {number} id @returns {string} address of a product in the API */
export const addressOf = (id) => `/api/products/${id}`;

/**
 * This page starts a change of the catalogue. Together with `ownChangeEnded`, the signal tells own changes
 * from those of other clients.
 * @type {Signal<void>}
 */
export const ownChangeStarted = createSignal();

/**
 * A change of this page has ended, successfully or not.
 * @type {Signal<OwnChange>}
 */
export const ownChangeEnded = createSignal();

/**
 * This page has saved edits with one request, so they can be undone together. Undos and their repetitions are not
 * reported.
 * @type {Signal<ProductEdit[]>}
 */
export const productsEdited = createSignal();

/**
 * Run a change of the catalogue between the two signals.
 * @template Answer
 * @param {() => Promise<Answer>} work
 * @param {(answer: Answer) => {ids: number[], delta?: number, products?: Product[]}} touched describes the effect
 * @returns {Promise<Answer>} the result of `work`
 */
export async function ownChange(work, touched) {
  ownChangeStarted.emit();
  /** @type {OwnChange} */
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
 * Save some fields of a product after earlier saves of the same product.
 * @param {number} id
 * @param {FieldValues} changes
 * @param {() => EditedVersion} version returns the edited version; called when it is this save's turn
 * @param {SaveOptions} [options]
 * @returns {Promise<SaveResult>}
 */
export function saveProduct(id, changes, version, options = {}) {
  const turn = (queues.get(id) ?? Promise.resolve()).then(() => send(id, changes, version(), options));
  hold([id], turn);
  return turn;
}

/**
 * Save edits of several products with one request, after earlier saves of these products.
 * @param {QueuedEdit[]} edits
 * @param {SaveOptions} [options]
 * @returns {Promise<SaveManyResult>}
 */
export function saveProducts(edits, options = {}) {
  const ids = edits.map(({ id }) => id);
  const turn = Promise.all(ids.map(settled)).then(() => sendMany(edits, options));
  hold(ids, turn);
  return turn;
}

/**
 * Let later saves of these products wait.
 * @param {number[]} ids
 * @param {Promise<unknown>} turn
 */
function hold(ids, turn) {
  ids.forEach((id) => queues.set(id, turn));
  turn.then(() => ids.forEach((id) => queues.get(id) === turn && queues.delete(id)));
}

/** @param {number} id @returns {Promise<unknown>} resolves when no save of this product is pending */
export const settled = (id) => queues.get(id) ?? Promise.resolve();

/** @returns {Promise<unknown>} resolves when no save of any product is pending */
export const allSettled = () => Promise.all(queues.values());

/**
 * @param {number} id
 * @param {FieldValues} changes
 * @param {EditedVersion} version
 * @param {SaveOptions} options
 * @returns {Promise<SaveResult>}
 */
async function send(id, changes, version, { isRecorded = true }) {
  try {
    /** @returns {Promise<Product>} */
    const put = () => sendJson('PUT', addressOf(id), { body: fromPage(changes), ifMatch: etagOf(version) });
    const product = await ownChange(put, (saved) => ({ ids: [id], products: [saved] }));
    if (isRecorded && product.updated_at !== version.updated_at) {
      productsEdited.emit([describeEdit(changes, version, product)]);
    }
    return { product };
  } catch (error) {
    return hasStatus(error, 412) ? compareWithLatest(id, changes) : { error };
  }
}

/**
 * @param {QueuedEdit[]} edits
 * @param {SaveOptions} options
 * @returns {Promise<SaveManyResult>}
 */
async function sendMany(edits, { isRecorded = true }) {
  const versions = edits.map(({ version }) => version());
  const body = edits.map(({ id, changes }, index) => ({ id, ...changes, if_match: versions[index]?.updated_at }));
  try {
    /** @returns {Promise<EditOutcomes>} */
    const post = () => sendJson('POST', '/api/products/edits', { body: fromPage({ edits: body }) });
    const answer = await ownChange(post, ({ outcomes }) => {
      const products = outcomes.flatMap(({ outcome, product }) => (outcome === 'refused' || !product ? [] : [product]));
      return { ids: products.map(({ id }) => id), products };
    });
    if (isRecorded) {
      const made = edits.flatMap(({ changes }, index) => {
        const [outcome, version] = [answer.outcomes[index], versions[index]];
        const product = outcome?.outcome === 'refused' ? null : outcome?.product;
        // The answer to an earlier attempt may have been lost. The edit is "unchanged" then.
        if (!product || !version || product.updated_at === version.updated_at) return [];
        return [describeEdit(changes, version, product)];
      });
      if (made.length) productsEdited.emit(made);
    }
    return { answer };
  } catch (error) {
    return { error };
  }
}

/**
 * @param {FieldValues} changes
 * @param {EditedVersion} version
 * @param {Product} product
 * @returns {ProductEdit}
 */
const describeEdit = (changes, version, product) => ({
  id: product.id,
  sku: product.sku,
  before: pick(version, changes),
  after: pick(product, changes),
  from: version.updated_at,
  to: product.updated_at,
});

/**
 * @param {number} id
 * @param {FieldValues} changes
 * @returns {Promise<SaveResult>}
 */
async function compareWithLatest(id, changes) {
  try {
    /** @type {Product} */
    const latest = await getJson(addressOf(id));
    // If the other client wrote the same values, nothing is lost.
    const isSame = FIELDS.every((field) => changes[field] === undefined || changes[field] === latest[field]);
    return isSame ? { product: latest } : { latest };
  } catch (error) {
    return { error };
  }
}

/**
 * @template {object} Body
 * @param {Body} values to send
 * @returns {Body & {started_from: 'page'}} the values, with where the edit was made, for the history
 */
export const fromPage = (values) => ({ ...values, started_from: 'page' });

/**
 * @param {FieldValues} product
 * @param {FieldValues} changes
 * @returns {FieldValues} the values that the product has in the changed fields
 */
const pick = (product, changes) =>
  Object.fromEntries(FIELDS.filter((field) => field in changes).map((field) => [field, product[field]]));

/**
 * @param {unknown} error of a save
 * @param {FieldName} field
 * @returns {string} the message to show beside the field
 */
export function describeSaveError(error, field) {
  if (error instanceof NetworkError) return t('products.save.unreachable');
  if (hasStatus(error, 404)) return t('products.save.gone');
  return (error instanceof ApiError && error.fields[field]?.join(' ')) || messageOf(error);
}
