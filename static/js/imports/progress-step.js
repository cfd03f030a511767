// The third step: the import while it runs.

import { fill, h } from '../core/dom.js';
import { createCancelButton } from './action-buttons.js';
import { isRunning, isUndo } from './job.js';
import { createProgressCard } from './progress-card.js';
import { createThroughputChart } from './throughput-chart.js';

/**
 * @param {object} job
 * @param {import('./detail-screen.js').StepContext} context
 * @returns {{element: HTMLElement, show: (job: object) => void, stop: () => void}}
 */
export function createProgressStep(job, context) {
  const card = createProgressCard(job);
  const chart = createThroughputChart();
  const element = h('div', { class: 'stack' }, card.element, chart.element);
  let hasCancel = false;
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
