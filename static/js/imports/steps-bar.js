// The bar with the four steps of an import.

import { h } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { isImport } from './job.js';
import { hasContent, importAddress, outcomeOf } from './steps.js';

/** @import { ImportDetail } from '../core/types.d.ts' */
/** @import { Step } from './steps.js' */

/** @type {[name: Step | 'choose', label: string][]} */
const STEPS = [
  ['choose', t('imports.job.step.choose')],
  ['check', t('imports.job.step.check')],
  ['progress', t('imports.job.step.progress')],
  ['result', t('imports.job.step.result')],
];

/**
 * Create the bar. Steps that have content are links.
 * @returns {{element: HTMLElement, show: (job: ImportDetail, step: Step) => void}}
 */
export function createStepsBar() {
  const list = h('ol', {});
  const element = h('nav', { class: 'steps', 'aria-label': t('imports.job.step.label') }, list);
  /**
   * @param {ImportDetail} job
   * @param {Step} shownStep
   */
  const show = (job, shownStep) => {
    element.hidden = !isImport(job);
    const items = STEPS.map((step, index) => stepItem(job, step, index, shownStep));
    // Every message of a running import comes by here. A link that is replaced would lose the focus.
    const isSame = items.every((item, index) => list.children[index]?.isEqualNode(item));
    if (!isSame) list.replaceChildren(...items);
  };
  return { element, show };
}

/**
 * @param {ImportDetail} job
 * @param {[name: Step | 'choose', label: string]} step
 * @param {number} index of the step
 * @param {Step} shownStep
 */
function stepItem(job, [name, label], index, shownStep) {
  const isShown = name === shownStep;
  const outcome = name === 'choose' ? 'done' : outcomeOf(job, name);
  const content = [
    h('span', { class: 'step-mark', 'aria-hidden': 'true' }, markOf(outcome) ?? String(index + 1)),
    h('span', { text: label }),
    outcome === 'failed' ? h('span', { class: 'visually-hidden', text: ` ${t('imports.job.step.failed')}` }) : null,
  ];
  const state = [isShown && 'is-shown', outcome && `is-${outcome}`].filter(Boolean).join(' ');
  const href = isShown ? null : addressOf(job, name);
  return h(
    'li',
    { class: `step ${state}`.trim() },
    href
      ? h('a', { href, class: 'step-face' }, content)
      : h('span', { class: 'step-face', 'aria-current': isShown ? 'step' : null }, content),
  );
}

/**
 * @param {string} outcome of a step
 * @returns {SVGElement | null} null if the step shows its number
 */
function markOf(outcome) {
  if (outcome === 'done') return icon('check');
  return outcome === 'failed' ? icon('cross') : null;
}

/**
 * @param {ImportDetail} job
 * @param {Step | 'choose'} step
 * @returns {string | null} null if the step has nothing to show
 */
function addressOf(job, step) {
  if (step === 'choose') return '#/import';
  return hasContent(job, step) ? importAddress(job.task_id, step) : null;
}
