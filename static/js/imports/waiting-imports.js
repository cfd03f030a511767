// The imports that wait for their confirmation, and what confirming all of them would do.

import { getJson } from '../core/api.js';
import { t } from '../core/i18n.js';
import { isAllRejected } from './job.js';

/** @import { ImportDetail, ImportJob, Imports } from '../core/types.d.ts' */

const PER_PAGE = 100;

/**
 * What a confirmation of one import would do. `blocked` is why it is not confirmed together with others; "" if it is.
 * @typedef {object} PlannedImport
 * @property {ImportDetail} job
 * @property {number} create
 * @property {number} update
 * @property {number} rejected
 * @property {string} blocked
 */

/** @typedef {Pick<PlannedImport, 'create' | 'update' | 'rejected'>} Totals */

/**
 * Fetch the imports that wait for their confirmation, oldest first.
 * @returns {Promise<ImportJob[]>}
 */
export async function fetchWaiting() {
  /** @type {ImportJob[]} */
  const jobs = [];
  for (let page = 1, pages = 1; page <= pages; page += 1) {
    const query = { status: 'awaiting_confirmation', page, per_page: PER_PAGE };
    /** @type {Imports} */
    const answer = await getJson('/api/imports', { query });
    jobs.push(...answer.imports);
    pages = answer.pagination.pages;
  }
  return jobs.reverse();
}

/**
 * Return the import to confirm after another one: the next one that was uploaded, then the first.
 * @template {Pick<ImportJob, 'id' | 'task_id'>} Job
 * @param {Job[]} waiting oldest first
 * @param {Pick<ImportJob, 'id' | 'task_id'>} current
 * @returns {Job | null} null if no other import waits
 */
export function nextToConfirm(waiting, current) {
  const others = waiting.filter(({ task_id: id }) => id !== current.task_id);
  return others.find(({ id }) => id > current.id) ?? others[0] ?? null;
}

/**
 * Plan the confirmation of several imports.
 * @param {ImportDetail[]} jobs
 * @returns {{imports: PlannedImport[], totals: Totals}} the totals of the imports that are not blocked
 */
export function planConfirmation(jobs) {
  const imports = jobs.map((job) => ({
    job,
    create: job.preview?.create ?? 0,
    update: job.preview?.update ?? 0,
    rejected: job.preview?.rejected ?? 0,
    blocked: whyBlocked(job),
  }));
  const included = imports.filter(({ blocked }) => !blocked);
  /** @param {keyof Totals} name */
  const sum = (name) => included.reduce((total, planned) => total + planned[name], 0);
  return { imports, totals: { create: sum('create'), update: sum('update'), rejected: sum('rejected') } };
}

/** @param {ImportDetail} job */
function whyBlocked(job) {
  if (job.status !== 'awaiting_confirmation' || !job.preview) return t('imports.history.blocked.gone');
  if (isAllRejected(job)) return t('imports.history.blocked.all_rejected');
  if (job.on_reject === 'fail' && job.preview.rejected) return t('imports.history.blocked.all_or_nothing');
  if (job.options.missing === 'keep') return '';
  return job.options.missing === 'delete'
    ? t('imports.history.blocked.deletes')
    : t('imports.history.blocked.deactivates');
}
