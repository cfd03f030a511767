// The steps of an import, each with its address, and which of them fits what it is doing.

import { h } from '../core/dom.js';
import { icon } from '../core/icons.js';
import { canRetry, isFinal, isRunning, isUndo } from './job.js';

const STEPS = [
  ['choose', 'Choose'],
  ['check', 'Check'],
  ['progress', 'Import'],
  ['result', 'Result'],
];

/**
 * @param {string} taskId
 * @param {'check'|'progress'|'result'|''} [step] without one the address leads to the step that fits
 * @returns {string}
 */
export const importAddress = (taskId, step = '') => `#/imports/${encodeURIComponent(taskId)}${step && '/'}${step}`;

/**
 * @param {object} job with its options, preview and log
 * @returns {boolean} whether what runs is the check before the import
 */
export const isChecking = (job) =>
  isRunning(job) && Boolean(job.options?.preview) && job.phase !== 'writing' && !(job.preview && isConfirmed(job));

/** A check that was cancelled and tried again keeps its old preview until the new one is counted. */
const isConfirmed = (job) =>
  (job.log ?? []).findLast(({ event }) => event === 'compared' || event === 'confirmed')?.event === 'confirmed';

/** @param {object} job @returns {boolean} whether it failed only because somebody must say which column is which */
export const needsColumns = (job) => canRetry(job) && job.status === 'failed' && Boolean(job.file?.problem);

/** @param {object} job @returns {boolean} whether none of the file's columns is known to be the SKU */
export const lacksSku = (job) => !job.file.columns.some((column) => column.field === 'sku');

/** @param {object} job with its options, file and preview @returns {'check'|'progress'|'result'} the step it is at */
export function stepOf(job) {
  if (job.status === 'awaiting_confirmation' || isChecking(job) || needsColumns(job)) return 'check';
  return isRunning(job) ? 'progress' : 'result';
}

/** @param {object} job @param {string} step @returns {boolean} whether the step has something to show */
export function isOpen(job, step) {
  if (step === stepOf(job)) return true;
  if (step === 'result') return isFinal(job);
  return step === 'check' && !isUndo(job) && (Boolean(job.preview) || canRetry(job));
}

/**
 * The four steps in a row; those that have something to show are links.
 * @returns {{element: HTMLElement, show: (job: object, step: string) => void}}
 */
export function stepsBar() {
  const list = h('ol', {});
  const element = h('nav', { class: 'steps', 'aria-label': 'Steps of the import' }, list);
  const show = (job, step) => {
    element.hidden = isUndo(job);
    const at = STEPS.findIndex(([name]) => name === stepOf(job));
    list.replaceChildren(
      ...STEPS.map(([name, label], index) => stepItem(job, { name, label, index, at, isShown: name === step })),
    );
  };
  return { element, show };
}

function stepItem(job, { name, label, index, at, isShown }) {
  const done = index < at || (name === 'result' && at === index && job.status === 'completed');
  const skipped =
    done && ((name === 'check' && !isOpen(job, name)) || (name === 'progress' && job.status !== 'completed'));
  const face = [
    h('span', { class: 'step-mark', 'aria-hidden': 'true' }, done && !skipped ? icon('check') : String(index + 1)),
    h('span', { text: label }),
  ];
  const href = name === 'choose' ? '#/import' : !isShown && isOpen(job, name) ? importAddress(job.task_id, name) : null;
  const state = [isShown && 'is-shown', done && 'is-done', skipped && 'is-skipped'].filter(Boolean).join(' ');
  return h(
    'li',
    { class: `step ${state}`.trim() },
    href
      ? h('a', { href, class: 'step-face' }, face)
      : h('span', { class: 'step-face', 'aria-current': isShown ? 'step' : null }, face),
  );
}
