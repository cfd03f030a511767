// The steps of an import: their addresses, the current step, and which steps have content.

import { canRetry, isFinal, isImport, isRunning } from './job.js';

/** @import { ImportDetail } from '../core/types.d.ts' */

/**
 * A step with an address of its own. The first step, choosing a file, is the import screen.
 * @typedef {'check' | 'progress' | 'result'} Step
 */

/**
 * Return whether the part of an address after the id names a step.
 * @param {string | undefined} name
 * @returns {name is Step}
 */
export const isStep = (name) => name === 'check' || name === 'progress' || name === 'result';

/**
 * Return the address of an import on this page.
 * @param {string} taskId
 * @param {Step | ''} [step] without it the address redirects to the step that the import is at
 * @returns {string}
 */
export const importAddress = (taskId, step = '') => `#/imports/${encodeURIComponent(taskId)}${step && '/'}${step}`;

/**
 * Return whether the check before an import is running.
 * @param {ImportDetail} job
 */
export const isChecking = (job) =>
  isRunning(job) && job.options.preview && job.phase !== 'writing' && !(job.preview && isConfirmed(job));

/**
 * Return whether the last preview was confirmed. The preview itself does not say so: a check that was cancelled and
 * started again keeps its old preview until the new one is counted.
 * @param {ImportDetail} job
 */
const isConfirmed = (job) =>
  job.log.findLast(({ event }) => event === 'compared' || event === 'confirmed')?.event === 'confirmed';

/**
 * Return whether an import failed only because its columns have to be mapped by hand.
 * @param {ImportDetail} job
 */
export const needsColumns = (job) => canRetry(job) && job.status === 'failed' && Boolean(job.file?.problem);

/**
 * Return whether no column of the file is mapped to the SKU.
 * @param {ImportDetail} job
 */
export const lacksSku = (job) => !job.file?.columns.some((column) => column.field === 'sku');

/**
 * Return the step that an import is at.
 * @param {ImportDetail} job
 * @returns {Step}
 */
export function currentStep(job) {
  if (job.status === 'awaiting_confirmation' || isChecking(job) || needsColumns(job)) return 'check';
  return isRunning(job) ? 'progress' : 'result';
}

/**
 * Return whether a step has something to show.
 * @param {ImportDetail} job
 * @param {Step} step
 */
export function hasContent(job, step) {
  if (step === currentStep(job)) return true;
  if (step === 'result') return isFinal(job);
  return step === 'check' && isImport(job) && (Boolean(job.preview) || canRetry(job));
}
