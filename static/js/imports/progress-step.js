// The third step: the import while it runs.

import { fill, h } from '../core/dom.js';
import { cancelButton } from './action-buttons.js';
import { isRunning, isUndo } from './job.js';
import { importCard } from './progress-card.js';
import { rowsChart } from './throughput-chart.js';

/**
 * @param {object} job
 * @param {import('./detail-screen.js').StepContext} context
 * @returns {{element: HTMLElement, show: (job: object) => void, stop: () => void}}
 */
export function progressStep(job, context) {
  const card = importCard(job);
  const chart = rowsChart();
  const element = h('div', { class: 'stack' }, card.element, chart.element);
  let hasCancel = false;
  const show = (latest) => {
    card.show(latest);
    chart.show(latest);
    if (isRunning(latest) === hasCancel) return;
    hasCancel = !hasCancel;
    fill(
      card.actions,
      hasCancel ? cancelButton(context, isUndo(latest) ? 'Cancel the undo' : 'Cancel the import') : null,
    );
  };
  show(job);
  const stop = () => {
    card.stop();
    chart.stop();
  };
  return { element, show, stop };
}
