// The last step: the outcome of the job, and what can be done next.

import { buildBanner } from '../core/banner.js';
import { fill, h, refill } from '../core/dom.js';
import { formatMoment } from '../core/format.js';
import { t, tRich } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { may } from '../core/session.js';
import {
  createChooseFileButton,
  createDeleteButton,
  createProductsLink,
  createRetryButton,
  createSkipRejectsButton,
  createUndoButton,
} from './action-buttons.js';
import { createAffectedProductsPanel } from './affected-products.js';
import { describeAllOrNothing } from './check-texts.js';
import { describeOtherImported, describeWritten, isExpired } from './descriptions.js';
import { createDetailsCard } from './details-card.js';
import { createDuplicatesPanel } from './duplicate-rows.js';
import { createFixesCard } from './fixes-card.js';
import { openList } from './count-tiles.js';
import { canRetry, failureOf, isAllRejected, isBulk, isImport, isInFuture, isUndo, titleOf } from './job.js';
import { createNoticesCard } from './notices-card.js';
import { createProgressCard } from './progress-card.js';
import { createRejectsPanel } from './rejected-rows.js';
import { canChangeReading, importAddress, isFileRefused } from './steps.js';
import { createThroughputChart } from './throughput-chart.js';
import { createUndoNote } from './undo-note.js';
import { describeNoUndo } from './undo-texts.js';

/** @import { Child } from '../core/dom.js' */
/** @import { Part } from '../core/i18n.js' */
/** @import { ImportDetail, ImportedProduct } from '../core/types.d.ts' */
/** @import { StepView } from './detail-screen.js' */
/** @import { StepContext } from './job-actions.js' */

/**
 * Create the step.
 * @param {ImportDetail} job
 * @param {StepContext} context
 * @returns {StepView}
 */
export function createResultStep(job, context) {
  const element = h('div', { class: 'stack' });
  let shownKey = '';
  let stop = () => {};
  /** @param {ImportDetail} latest */
  const show = (latest) => {
    const key = contentKey(latest);
    if (key === shownKey) return;
    shownKey = key;
    stop();
    const allRejected = isAllRejected(latest);
    const rejects = latest.rejected_count ? createRejectsPanel(latest, rejectsSettings(latest)) : null;
    const affected = isUndo(latest) || allRejected ? null : createAffectedProductsPanel(latest);
    /** @param {ImportedProduct['change']} change */
    const openAffected = (change) => {
      affected?.choose(change);
      if (affected) openList(affected.element);
    };
    const affectedLists = affected
      ? {
          created: () => openAffected('created'),
          updated: () => openAffected('updated'),
          deactivated: () => openAffected(isBulk(latest) ? 'updated' : 'deactivated'),
          deleted: () => openAffected('deleted'),
          activated: () => openAffected('updated'),
          changed: () => openAffected('updated'),
          skipped: () => openAffected('left_out'),
        }
      : {};
    const hasDuplicates = latest.duplicate_count > 0 && isImport(latest);
    const duplicates = hasDuplicates ? createDuplicatesPanel(latest, latest.duplicate_count) : null;
    const openRejects = rejects ? () => openList(rejects.element) : undefined;
    const lists = {
      ...affectedLists,
      duplicate: duplicates ? () => openList(duplicates) : undefined,
      rejected: openRejects,
      left_alone: openRejects,
    };
    const card = createProgressCard(latest, lists);
    const chart = createThroughputChart();
    fill(card.problem, explanation(latest));
    fill(card.actions, ...actions(latest, context), createDeleteButton(latest));
    refill(
      element,
      card.element,
      createNoticesCard(latest, context, undefined, lists),
      createFixesCard(latest, null).element,
      rejects?.groups ?? null,
      rejects?.element ?? null,
      duplicates,
      affected?.element ?? null,
      isBulk(latest) ? null : chart.element,
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

/**
 * Return a key that changes with the content. Content that stays the same is not rebuilt: its panels may be open.
 * @param {ImportDetail} job
 */
const contentKey = (job) =>
  JSON.stringify([
    ...[job.run, job.status, job.updated_at, job.retry_until, job.undo_until, job.undo_state, job.log.length],
    job.undo?.left_alone_count,
  ]);

/** @param {ImportDetail} job */
function rejectsSettings(job) {
  if (isAllRejected(job)) return { open: true };
  return job.status === 'completed' ? { hint: describeOtherImported(job) } : {};
}

/**
 * Return whether an import failed only because it is all or nothing and has rejected rows.
 * @param {ImportDetail} job
 */
const failedForRejects = (job) =>
  job.status === 'failed' &&
  job.on_reject === 'fail' &&
  job.rejected_count > 0 &&
  !job.created_count &&
  !job.updated_count &&
  !job.missing_count;

/**
 * @param {ImportDetail} job
 * @returns {HTMLElement | null}
 */
function explanation(job) {
  if (failedForRejects(job)) {
    const { title, detail } = describeAllOrNothing(job.rejected_count, job.total_records);
    return buildBanner({ title, detail: joinSentences(t('imports.written.nothing'), detail) });
  }
  if (job.status === 'failed') {
    return buildBanner({
      title: failureOf(job) || t('imports.result.failed_unknown'),
      detail: joinSentences(describeWritten(job), describeRetry(job)),
    });
  }
  if (job.status === 'cancelled') {
    const title = isExpired(job) ? t('imports.result.expired') : describeWritten(job);
    return buildBanner({ tone: 'warning', title, detail: describeRetry(job) });
  }
  if (isAllRejected(job)) {
    return buildBanner({
      tone: 'warning',
      title:
        job.updated_count || job.removed_count
          ? t('imports.result.all_rejected.no_row')
          : t('imports.result.all_rejected.unchanged'),
      detail: t('imports.result.all_rejected.hint'),
    });
  }
  if (job.undo_of) return undoOfNote(job.undo_of, job);
  return job.undone_by ? createUndoNote(job) : null;
}

/**
 * @param {string} undoneId
 * @param {ImportDetail} undo
 */
function undoOfNote(undoneId, undo) {
  const link = (/** @type {Part[]} */ parts) => h('a', { href: importAddress(undoneId) }, parts);
  const args = { isBulk: isBulk(undo), name: titleOf(undo), link };
  return h('p', { class: 'note' }, icon('undo'), h('span', {}, tRich('imports.result.undoes', args)));
}

/** @param {string[]} sentences */
const joinSentences = (...sentences) => sentences.filter(Boolean).join(' ');

/** @param {ImportDetail} job */
function describeRetry(job) {
  if (!may('imports:write')) return '';
  if (!isImport(job)) return canRetry(job) ? t('imports.result.retry.kind', { kind: job.kind }) : '';
  if (isFileRefused(job)) {
    return canChangeReading(job) ? t('imports.result.retry.reading', { time: formatMoment(job.retry_until) }) : '';
  }
  return canRetry(job)
    ? t('imports.result.retry.import', { time: formatMoment(job.retry_until) })
    : t('imports.result.retry.gone');
}

/**
 * @param {ImportDetail} job
 * @param {StepContext} context
 * @returns {Child[]}
 */
function actions(job, context) {
  if (isUndo(job)) return undoActions(job, context);
  const undo = isInFuture(job.undo_until) ? createUndoButton(job, context.reload) : undoHint(job);
  const products = createProductsLink(false, job);
  if (isBulk(job)) return [canRetry(job) && createRetryButton(context), createProductsLink(!canRetry(job), job), undo];
  if (isAllRejected(job)) return [createChooseFileButton(t('imports.result.choose_another'), true), products, undo];
  if (job.status === 'completed') {
    return [createProductsLink(true, job), createChooseFileButton(t('imports.result.import_another')), undo];
  }
  if (!canRetry(job)) return [createChooseFileButton(t('imports.result.choose_another'), true), products, undo];
  const needsOtherFile = wouldFailAgain(job);
  return [
    needsOtherFile ? createChooseFileButton(t('imports.result.choose_another'), true) : startAgainButton(job, context),
    may('imports:write') &&
      canChangeReading(job) &&
      h('a', {
        class: 'button',
        href: importAddress(job.task_id, 'check'),
        text: t('imports.result.change_options'),
        data: { testid: 'change-options' },
      }),
    needsOtherFile ? null : createChooseFileButton(t('imports.result.choose_another')),
    undo,
  ];
}

/**
 * Say in place of the button why a job cannot be undone.
 * @param {ImportDetail} job
 */
function undoHint(job) {
  const text = may('imports:write') ? describeNoUndo(job) : '';
  return text ? h('p', { class: 'muted undo-hint', text, data: { testid: 'no-undo' } }) : null;
}

/**
 * Return whether an import would fail again as it is: its file is to blame, or every row of it.
 * @param {ImportDetail} job
 */
const wouldFailAgain = (job) =>
  isFileRefused(job) || (failedForRejects(job) && job.rejected_count >= job.total_records);

/**
 * @param {ImportDetail} job
 * @param {StepContext} context
 */
const startAgainButton = (job, context) =>
  failedForRejects(job) ? createSkipRejectsButton(context, 'button-primary') : createRetryButton(context);

/**
 * @param {ImportDetail} job an undo
 * @param {StepContext} context
 * @returns {Child[]}
 */
function undoActions(job, context) {
  if (job.status === 'completed') return [createProductsLink(true)];
  return [canRetry(job) ? createRetryButton(context) : createProductsLink()];
}
