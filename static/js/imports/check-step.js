// The second step: what was found in the file and what importing it would do. Nothing is written before it is
// confirmed.

import { buildBanner } from '../core/banner.js';
import { fill, h, refill } from '../core/dom.js';
import { createCancelButton } from './action-buttons.js';
import { createFileForm, createFileSummary } from './file-options.js';
import { canRetry, isRunning } from './job.js';
import { createChangesCard } from './preview-changes.js';
import { createPreviewSummary } from './preview-summary.js';
import { createProgressCard } from './progress-card.js';
import { createRejectsPanel } from './rejected-rows.js';
import { isChecking, lacksSku, needsColumns } from './steps.js';

/**
 * @param {object} job
 * @param {import('./detail-screen.js').StepContext} context
 * @returns {{element: HTMLElement, show: (job: object) => void, stop: () => void}}
 */
export function createCheckStep(job, context) {
  const element = h('div', { class: 'stack' });
  let shown = '';
  let card = null;
  const stop = () => {
    card?.stop();
    card = null;
  };
  const show = (latest) => {
    const mode = modeOf(latest);
    const key = `${mode} ${latest.run} ${Boolean(latest.preview)}`;
    if (key !== shown) {
      shown = key;
      stop();
      if (mode === 'working') card = workCard(latest, context);
      refill(element, card ? card.element : { ready, mend, record }[mode](latest, context));
    }
    card?.show(latest);
  };
  show(job);
  return { element, show, stop };
}

function workCard(job, context) {
  const card = createProgressCard(job);
  fill(card.actions, createCancelButton(context));
  return card;
}

function modeOf(job) {
  if (job.status === 'awaiting_confirmation' && job.preview) return 'ready';
  if (job.status === 'awaiting_confirmation' || (isRunning(job) && (isChecking(job) || !job.preview))) return 'working';
  return canRetry(job) ? 'mend' : 'record';
}

const retry =
  ({ call }) =>
  (body, button) =>
    call('retry', { button, body, busy: 'Reading again…' });

function ready(job, context) {
  const summary = createPreviewSummary(job, context);
  return [
    summary.element,
    createFileForm(job, { isUrgent: false, onReread: retry(context), onChange: summary.setOutdated }),
    previewParts(job, true),
  ];
}

function mend(job, context) {
  const written = job.created_count || job.updated_count ? ' What has been written already is recognised.' : '';
  const problem = needsColumns(job)
    ? {
        title: job.error_message,
        detail:
          `${lacksSku(job) ? 'Choose the column that holds the SKU below' : 'Choose below which column goes where'}, ` +
          'then read the file again. Nothing has been written.',
        tone: 'warning',
      }
    : {
        title: job.error_message ?? 'The import was cancelled.',
        detail: `Change what is needed, then read the file again.${written}`,
        tone: job.status === 'failed' ? 'error' : 'warning',
      };
  return [
    buildBanner(problem),
    createFileForm(job, { isUrgent: true, onReread: retry(context) }),
    job.preview ? previewParts(job, false) : null,
  ];
}

function record(job) {
  return [
    createPreviewSummary(job, null).element,
    createFileSummary(job),
    job.preview ? previewParts(job, false) : null,
  ];
}

function previewParts(job, hasContent) {
  const { preview } = job;
  return [
    createChangesCard(preview),
    preview.rejected
      ? createRejectsPanel(job, { open: hasContent, count: preview.rejected, hint: 'The other rows can go in.' })
      : null,
  ];
}
