// The last step: what came of the import, and what can still be done about it.

import { buildBanner } from '../core/banner.js';
import { fill, h, refill } from '../core/dom.js';
import { formatMoment } from '../core/format.js';
import { icon } from '../core/icons.js';
import {
  createChooseFileButton,
  createProductsLink,
  createRetryButton,
  createSkipRejectsButton,
  createUndoButton,
} from './action-buttons.js';
import { createAffectedProductsPanel } from './affected-products.js';
import { describeAllOrNothing, describeWritten, isExpired } from './descriptions.js';
import { createDetailsCard } from './details-card.js';
import { canRetry, isInFuture, isUndo } from './job.js';
import { createProgressCard } from './progress-card.js';
import { createRejectsPanel } from './rejected-rows.js';
import { importAddress } from './steps.js';
import { createThroughputChart } from './throughput-chart.js';
import { createUndoNote } from './undo-note.js';

/**
 * @param {object} job
 * @param {import('./detail-screen.js').StepContext} context
 * @returns {{element: HTMLElement, show: (job: object) => void, stop: () => void}}
 */
export function createResultStep(job, context) {
  const element = h('div', { class: 'stack' });
  let shown = '';
  let stop = () => {};
  const show = (latest) => {
    const key = JSON.stringify([
      latest.run,
      latest.status,
      latest.updated_at,
      latest.retry_until,
      latest.undo_until,
      latest.undone_by,
      latest.log?.length,
    ]);
    if (key === shown) return;
    shown = key;
    stop();
    const card = createProgressCard(latest);
    const chart = createThroughputChart();
    fill(card.problem, explanation(latest));
    fill(card.actions, actions(latest, context));
    refill(
      element,
      card.element,
      latest.rejected_count ? createRejectsPanel(latest, latest.status === 'completed' ? {} : { hint: '' }) : null,
      isUndo(latest) ? null : createAffectedProductsPanel(latest),
      chart.element,
      createDetailsCard(latest),
    );
    chart.show(latest);
    stop = () => {
      card.stop();
      chart.stop();
    };
  };
  show(job);
  return { element, show, stop: () => stop() };
}

/** It failed for nothing but its bad rows. */
const isAllOrNothing = (job) =>
  job.status === 'failed' &&
  job.on_reject === 'fail' &&
  job.rejected_count > 0 &&
  !job.created_count &&
  !job.updated_count;

function explanation(job) {
  if (isAllOrNothing(job)) {
    const { title, detail } = describeAllOrNothing(job.rejected_count);
    return buildBanner({ title, detail: `Nothing was written. ${detail}` });
  }
  if (job.status === 'failed') {
    return buildBanner({
      title: job.error_message || 'It failed for an unknown reason.',
      detail: `${describeWritten(job)} ${retrySentence(job)}`,
    });
  }
  if (job.status === 'cancelled') {
    const title = isExpired(job) ? 'It waited for a confirmation, and nothing was written.' : describeWritten(job);
    return buildBanner({ tone: 'warning', title, detail: retrySentence(job) });
  }
  if (isUndo(job)) {
    return h(
      'p',
      { class: 'note' },
      icon('undo'),
      h(
        'span',
        {},
        'This takes back ',
        h('a', { href: importAddress(job.undo_of), text: `the import of ${job.filename}` }),
        '.',
      ),
    );
  }
  return job.undone_by ? createUndoNote(job) : null;
}

function retrySentence(job) {
  if (canRetry(job)) {
    return isUndo(job)
      ? 'It can be tried again.'
      : `Its file is kept until ${formatMoment(job.retry_until)}: ` +
          'it can be tried again, also with other columns or options.';
  }
  return isUndo(job)
    ? ''
    : 'Its file is no longer kept. Choose the file again to import it; what is in already is recognised.';
}

function actions(job, context) {
  if (job.status === 'completed') {
    if (isUndo(job)) return [createProductsLink(true)];
    return [
      createProductsLink(true),
      createChooseFileButton('Import another file'),
      isInFuture(job.undo_until) ? createUndoButton(job, context.reload) : null,
    ];
  }
  const undo = !isUndo(job) && isInFuture(job.undo_until) ? createUndoButton(job, context.reload) : null;
  if (!canRetry(job)) {
    return [isUndo(job) ? null : createChooseFileButton('Choose another file', true), createProductsLink(), undo];
  }
  const mend = isUndo(job)
    ? null
    : h('a', {
        class: 'button',
        href: importAddress(job.task_id, 'check'),
        text: 'Change columns or options',
        data: { testid: 'change-options' },
      });
  return [
    isAllOrNothing(job) ? createSkipRejectsButton(context, 'button-primary') : createRetryButton(context),
    mend,
    isUndo(job) ? null : createChooseFileButton('Choose another file'),
    undo,
  ];
}
