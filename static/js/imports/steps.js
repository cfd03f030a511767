// The steps of an import: their addresses, the current step, and which steps have content.

import { canRetry, isAllRejected, isFinal, isImport, isRunning } from './job.js';

/** @import { ImportDetail } from '../core/types.d.ts' */

/** The events with which a run of an import ends. */
const ENDS = ['completed', 'failed', 'refused', 'cancelled', 'expired'];

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
 * Return whether an import failed because of its file, so that a retry as it is would fail again.
 * @param {Pick<ImportDetail, 'status' | 'log'>} job
 */
export const isFileRefused = ({ status, log }) =>
  status === 'failed' && log.findLast(({ event }) => ENDS.includes(event))?.event === 'refused';

/**
 * Return whether an import can be started again with other columns or options. If nothing could be read of its file,
 * and no option said how, they change nothing.
 * @param {ImportDetail} job
 */
export function canChangeReading(job) {
  if (!canRetry(job) || !isImport(job)) return false;
  const { encoding, delimiter, quote, header_line: line, sheet } = job.options;
  return !isFileRefused(job) || job.file !== null || [encoding, delimiter, quote, line, sheet].some(Boolean);
}

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
  return step === 'check' && isImport(job) && (Boolean(job.preview) || canChangeReading(job));
}

/**
 * Return what has become of a step: "skipped" if the import has passed it without doing it; "" if it is still to come
 * or under way.
 * @param {ImportDetail} job
 * @param {Step} step
 * @returns {'done' | 'failed' | 'skipped' | ''}
 */
export function outcomeOf(job, step) {
  const order = ['check', 'progress', 'result'];
  const isPassed = order.indexOf(step) < order.indexOf(currentStep(job));
  const hasFailed = job.status === 'failed' && isPassed;
  const hasFailedCheck = hasFailed && job.options.preview && !isConfirmed(job);
  if (step === 'check') {
    if (hasFailedCheck) return 'failed';
    if (!isPassed) return '';
    return job.preview ? 'done' : 'skipped';
  }
  if (step === 'progress') {
    if (hasFailed) return hasFailedCheck ? 'skipped' : 'failed';
    if (!isPassed) return '';
    return job.status === 'completed' ? 'done' : 'skipped';
  }
  return job.status === 'completed' && !isAllRejected(job) ? 'done' : '';
}
