// Changes of many products. A few are changed at once; for more, a dry run counts them, a question states the effect,
// and a worker does the job.

import { messageOf, nextStep, sendJson } from '../core/api.js';
import { bulkCalled, bulkChanged, jobStarted } from '../core/app-events.js';
import { clearBanner, showBanner } from '../core/banner.js';
import { bulkKind } from '../core/bulk-kind.js';
import { askToConfirm } from '../core/confirm.js';
import { t } from '../core/i18n.js';
import { toast } from '../core/toast.js';
import { bulkQuestion, deleteAllQuestion, describeNoChange } from './bulk-questions.js';
import { filterBody } from './query.js';
import { ownChange } from './save-queue.js';
import { UNDOABLE_COUNT } from './undoable-deletes.js';

/** @import { ApiError, NetworkError } from '../core/api.js' */
/** @import { BulkChange } from '../core/bulk-kind.js' */
/** @import { BulkCount, ImportJob } from '../core/types.d.ts' */
/** @import { Filters } from './query.js' */

/** @typedef {{count: number, ids: number[]} | {count: number, filter: Filters}} Target some products, or every match */

/**
 * What has happened: the products were changed, a job was started, or nothing was changed.
 * @typedef {'done' | 'started' | 'nothing'} Outcome
 */

const BANNER_KEY = 'products-bulk';
const CONFIRMATION_WORD = t('products.bulk.word');
const DELETE_ALL = '/api/products/bulk-delete?started_from=page';
// A dry run may count millions of rows.
const TIMEOUT_MS = 120_000;

/**
 * Change or delete products.
 * @param {BulkChange} change
 * @param {Target} target
 * @param {(text: string) => void} [say] says that there is nothing to change
 * @returns {Promise<Outcome>}
 * @throws {ApiError|NetworkError}
 */
export function changeMany(change, target, say = toast) {
  clearBanner(BANNER_KEY);
  if (change.action === 'delete' && selectionOf(target) === 'all') return deleteAll();
  return target.count <= UNDOABLE_COUNT ? changeAtOnce(change, target) : changeAfterQuestion(change, target, say);
}

/**
 * Delete every product after the user has typed a word.
 * @returns {Promise<Outcome>}
 * @throws {ApiError|NetworkError}
 */
export async function deleteAll() {
  clearBanner(BANNER_KEY);
  /** @type {BulkCount} */
  const plan = await sendJson('DELETE', `${DELETE_ALL}&dry_run=true`, { timeoutMs: TIMEOUT_MS });
  if (!plan.count) {
    toast(t('products.bulk.no_product'));
    return 'nothing';
  }
  /** @type {BulkCount | ImportJob | undefined} */
  const answer = await askToConfirm({
    ...deleteAllQuestion(plan),
    word: CONFIRMATION_WORD,
    run: () => sendJson('DELETE', DELETE_ALL, { isAsync: true }),
  });
  return answer ? report(answer) : 'nothing';
}

/**
 * Show that a bulk change was refused.
 * @param {BulkChange} change
 * @param {unknown} error
 */
export function showRefusal(change, error) {
  showBanner({
    key: BANNER_KEY,
    title: t('products.bulk.refused', { change: bulkKind(change), reason: messageOf(error) }),
    detail: nextStep(error),
  });
}

/**
 * @param {BulkChange} change
 * @param {Target} target
 * @returns {Promise<Outcome>}
 */
function changeAtOnce(change, target) {
  const ids = 'ids' in target ? target.ids : [];
  /** @type {Promise<BulkCount | ImportJob>} */
  const answer = ownChange(
    () => sendJson('POST', '/api/products/bulk', { body: bodyOf(change, target) }),
    () => ({ ids }),
  );
  const outcome = answer.then(report);
  bulkCalled.emit(outcome);
  return outcome;
}

/**
 * @param {BulkChange} change
 * @param {Target} target
 * @param {(text: string) => void} say
 * @returns {Promise<Outcome>}
 */
async function changeAfterQuestion(change, target, say) {
  const body = bodyOf(change, target);
  /** @type {BulkCount} */
  const plan = await sendJson('POST', '/api/products/bulk', {
    body: { ...body, dry_run: true },
    timeoutMs: TIMEOUT_MS,
  });
  if (!plan.count) {
    say(describeNoChange(change, plan));
    return 'nothing';
  }
  /** @type {BulkCount | ImportJob | undefined} */
  const answer = await askToConfirm({
    ...bulkQuestion(change, selectionOf(target), plan),
    isDangerous: change.action === 'delete',
    run: () => sendJson('POST', '/api/products/bulk', { body, isAsync: true }),
  });
  return answer ? report(answer) : 'nothing';
}

/**
 * @param {BulkCount | ImportJob} answer the result, or the job if that goes on
 * @returns {Outcome}
 */
function report(answer) {
  if ('status' in answer) {
    jobStarted.emit(answer);
    return 'started';
  }
  bulkChanged.emit(answer);
  return 'done';
}

/**
 * @param {BulkChange} change
 * @param {Target} target
 */
function bodyOf({ action, field, value }, target) {
  const selection = 'ids' in target ? { ids: target.ids } : { filter: filterBody(target.filter) };
  return { action, ...(action === 'set' ? { field, value } : {}), ...selection, started_from: 'page' };
}

/** @param {Target} target */
function selectionOf(target) {
  if ('ids' in target) return 'ids';
  return Object.keys(target.filter).length ? 'filter' : 'all';
}
