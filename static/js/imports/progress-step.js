// The third step: the import while it runs.

import { fill, h } from '../core/dom.js';
import { createCancelButton } from './action-buttons.js';
import { isRunning, isUndo } from './job.js';
import { createProgressCard } from './progress-card.js';
import { createThroughputChart } from './throughput-chart.js';

/** @import { ImportDetail } from '../core/types.d.ts' */
/** @import { StepView } from './detail-screen.js' */
/** @import { StepContext } from './job-actions.js' */

/**
 * Create the step.
 * @param {ImportDetail} job
 * @param {StepContext} context
 * @returns {StepView}
 */
export function createProgressStep(job, context) {
  const card = createProgressCard(job);
  const chart = createThroughputChart();
  const element = h('div', { class: 'stack' }, card.element, chart.element);
  let hasCancel = false;
  /** @param {ImportDetail} latest */
  const show = (latest) => {
    card.show(latest);
    chart.show(latest);
    if (isRunning(latest) === hasCancel) return;
    hasCancel = !hasCancel;
    fill(
      card.actions,
      hasCancel ? createCancelButton(context, isUndo(latest) ? 'Cancel the undo' : 'Cancel the import') : null,
    );
  };
  show(job);
  const stop = () => {
    card.stop();
    chart.stop();
  };
  return { element, show, stop };
}
