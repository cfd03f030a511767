// The second step: what was found in the file, and what an import of it would do. Nothing is written before someone
// confirms the import.

import { buildBanner } from '../core/banner.js';
import { fill, h, refill } from '../core/dom.js';
import { createCancelButton } from './action-buttons.js';
import { createFileForm, createFileSummary } from './file-options.js';
import { openList } from './count-tiles.js';
import { canRetry, isAllRejected, isRunning } from './job.js';
import { createChangesCard } from './preview-changes.js';
import { createNoticesCard } from './notices-card.js';
import { createPreviewSummary } from './preview-summary.js';
import { createProgressCard } from './progress-card.js';
import { createRejectsPanel } from './rejected-rows.js';
import { isChecking, lacksSku, needsColumns } from './steps.js';

/** @import { BannerOptions } from '../core/banner.js' */
/** @import { Child } from '../core/dom.js' */
/** @import { ImportDetail, RetryOptions } from '../core/types.d.ts' */
/** @import { StepView } from './detail-screen.js' */
/** @import { StepContext } from './job-actions.js' */

/**
 * What the step shows: a check that is running, a preview that can be confirmed, an import that can be corrected and
 * read again, or the record of an earlier check.
 * @typedef {'running' | 'ready' | 'correctable' | 'record'} Mode
 */

/**
 * Create the step.
 * @param {ImportDetail} job
 * @param {StepContext} context
 * @returns {StepView}
 */
export function createCheckStep(job, context) {
  const element = h('div', { class: 'stack' });
  let shownKey = '';
  /** @type {ReturnType<typeof createProgressCard> | null} */
  let card = null;
  const stop = () => {
    card?.stop();
    card = null;
  };
  /** @param {ImportDetail} latest */
  const show = (latest) => {
    const mode = modeOf(latest);
    const key = `${mode} ${latest.run} ${Boolean(latest.preview)}`;
    if (key !== shownKey) {
      shownKey = key;
      stop();
      if (mode === 'running') {
        card = createProgressCard(latest);
        fill(card.actions, createCancelButton(context));
      }
      refill(element, card ? card.element : contentOf(mode, latest, context));
    }
    card?.show(latest);
  };
  show(job);
  return { element, show, stop };
}

/**
 * @param {ImportDetail} job
 * @returns {Mode}
 */
function modeOf(job) {
  if (job.status === 'awaiting_confirmation') return job.preview ? 'ready' : 'running';
  if (isRunning(job) && (isChecking(job) || !job.preview)) return 'running';
  return canRetry(job) ? 'correctable' : 'record';
}

/**
 * @param {Mode} mode
 * @param {ImportDetail} job
 * @param {StepContext} context
 * @returns {Child[]}
 */
function contentOf(mode, job, context) {
  /**
   * @param {RetryOptions} body
   * @param {HTMLButtonElement} button
   */
  const readAgain = (body, button) => context.runAction('retry', { button, body, busy: 'Reading again…' });
  const { changes, rejects } = previewLists(job, mode === 'ready');
  if (mode === 'correctable') {
    const form = createFileForm(job, { isRequired: true, onReadAgain: readAgain });
    return [
      buildBanner(describeProblem(job)),
      createNoticesCard(job, context, form.changes),
      form.element,
      changes,
      rejects,
    ];
  }
  const openChanges = changes ? () => openList(changes) : undefined;
  const openRejects = rejects ? () => openList(rejects) : undefined;
  const lists = { create: openChanges, update: openChanges, rejected: openRejects };
  if (mode === 'ready') {
    const summary = createPreviewSummary(job, context, lists);
    const form = createFileForm(job, { isRequired: false, onReadAgain: readAgain, onChange: summary.setOutdated });
    return [summary.element, createNoticesCard(job, context, form.changes), form.element, changes, rejects];
  }
  return [
    createPreviewSummary(job, null, lists).element,
    createNoticesCard(job, null),
    createFileSummary(job),
    changes,
    rejects,
  ];
}

/**
 * @param {ImportDetail} job
 * @returns {BannerOptions}
 */
function describeProblem(job) {
  if (needsColumns(job)) {
    const choice = lacksSku(job)
      ? 'Below, choose the column that holds the SKU'
      : 'Choose below which column goes to which field';
    return {
      title: job.error_message,
      detail: `${choice}, then read the file again. Nothing has been written.`,
      tone: 'warning',
    };
  }
  const hasWritten = job.created_count > 0 || job.updated_count > 0;
  return {
    title: job.error_message ?? 'The import was cancelled.',
    detail: `Change the options or columns, then read the file again.${
      hasWritten ? ' Products that were already written are not changed again.' : ''
    }`,
    tone: job.status === 'failed' ? 'error' : 'warning',
  };
}

/**
 * @param {ImportDetail} job
 * @param {boolean} isOpen whether the rejected rows are shown at once
 * @returns {{changes: HTMLElement | null, rejects: HTMLElement | null}} null for an empty list
 */
function previewLists(job, isOpen) {
  const { preview } = job;
  if (!preview) return { changes: null, rejects: null };
  const rejects = preview.rejected
    ? createRejectsPanel(job, {
        open: isOpen,
        count: preview.rejected,
        hint: isAllRejected(job) ? 'There are no other rows.' : 'The other rows can be imported.',
      })
    : null;
  return { changes: createChangesCard(preview), rejects };
}
