// The third step: the job while it runs.

import { fill, h } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { createCancelButton } from './action-buttons.js';
import { isBulk, isRunning } from './job.js';
import { createNoticesCard } from './notices-card.js';
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
  // Who confirmed the import has seen its notices.
  const notices = h('div', { hidden: true });
  const element = h('div', { class: 'stack' }, card.element, notices, chart.element);
  let noticeCount = 0;
  let hasCancel = false;
  /** @param {ImportDetail} latest */
  const show = (latest) => {
    card.show(latest);
    if (!isBulk(latest)) chart.show(latest);
    if (!latest.preview && latest.notices.length !== noticeCount) {
      noticeCount = latest.notices.length;
      fill(notices, createNoticesCard(latest, null));
      notices.hidden = !noticeCount;
    }
    if (isRunning(latest) === hasCancel) return;
    hasCancel = !hasCancel;
    fill(
      card.actions,
      hasCancel ? createCancelButton(context, t('imports.job.cancel_kind', { kind: latest.kind })) : null,
    );
  };
  show(job);
  const stop = () => {
    card.stop();
    chart.stop();
  };
  return { element, show, stop };
}
