// The second step: what was found in the file, and what an import of it would do. Nothing is written before someone
// confirms the import.

import { buildBanner } from '../core/banner.js';
import { fill, h, refill } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { may } from '../core/session.js';
import { createCancelButton } from './action-buttons.js';
import { createFileForm, createFileSummary } from './file-options.js';
import { openList } from './count-tiles.js';
import { canFix, failureOf, isRunning } from './job.js';
import { createCheckedRowsPanel } from './checked-rows.js';
import { describeOtherRows } from './check-texts.js';
import { createDuplicatesPanel } from './duplicate-rows.js';
import { createFixBar } from './fix-bar.js';
import { discardDrafts } from './fix-drafts.js';
import { createFixEditor } from './fix-editor.js';
import { createFixesCard } from './fixes-card.js';
import { createChangesCard } from './preview-changes.js';
import { createNoticesCard } from './notices-card.js';
import { createPreviewSummary } from './preview-summary.js';
import { createProgressCard } from './progress-card.js';
import { createRejectsPanel } from './rejected-rows.js';
import { canChangeReading, isChecking, isFileRefused, lacksSku, needsColumns } from './steps.js';

/** @import { BannerOptions } from '../core/banner.js' */
/** @import { Child } from '../core/dom.js' */
/** @import { CheckedRow, ImportDetail, RetryOptions } from '../core/types.d.ts' */
/** @import { StepView } from './detail-screen.js' */
/** @import { FixEditor } from './fix-editor.js' */
/** @import { StepContext } from './job-actions.js' */

/**
 * What the step shows: a check that is running, a preview that can be confirmed, an import that can be corrected and
 * read again, or the record of an earlier check.
 * @typedef {'running' | 'ready' | 'correctable' | 'record'} Mode
 */

const OPTIONS_CHANGED = t('imports.check.options_changed');
const FIXES_PREPARED = t('imports.check.fixes_prepared');
const READ_AGAIN_FIRST = t('imports.check.read_again_first');

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
  let stopContent = () => {};
  const stop = () => {
    card?.stop();
    card = null;
    stopContent();
    stopContent = () => {};
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
      if (card) {
        refill(element, card.element);
      } else {
        const content = createContent(mode, latest, context);
        stopContent = content.stop;
        refill(element, content.children);
      }
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
  if (job.status === 'awaiting_confirmation' && !job.preview) return 'running';
  if (job.status === 'awaiting_confirmation') return may('imports:write') ? 'ready' : 'record';
  if (isRunning(job) && (isChecking(job) || !job.preview)) return 'running';
  return canChangeReading(job) && may('imports:write') ? 'correctable' : 'record';
}

/**
 * @param {Mode} mode
 * @param {ImportDetail} job
 * @param {StepContext} context
 * @returns {{children: Child[], stop: () => void}}
 */
function createContent(mode, job, context) {
  /**
   * @param {RetryOptions} body
   * @param {HTMLButtonElement} button
   */
  const readAgain = (body, button) =>
    context.runAction('retry', { button, body, busy: t('imports.check.reading_again') });
  let hasChangedOptions = false;
  const editor = canFix(job) ? createFixEditor(job, context, () => (hasChangedOptions ? READ_AGAIN_FIRST : '')) : null;
  if (!editor) discardDrafts(job.task_id);
  const fixes = createFixesCard(job, editor);
  const bar = editor && createFixBar(editor);
  const { rows, changes, duplicates, rejects } = previewLists(job, mode === 'ready', editor);
  let stopSummary = () => {};
  const stop = () => {
    fixes.stop();
    bar?.stop();
    rejects?.stop();
    stopSummary();
  };
  const rejectPanels = [rejects?.groups, rejects?.element];
  if (mode === 'correctable') {
    const form = createFileForm(job, {
      isRequired: true,
      onReadAgain: readAgain,
      onChange: (isChanged) => {
        hasChangedOptions = isChanged;
      },
    });
    const notices = createNoticesCard(job, context, form.changes);
    const banner = buildBanner(describeProblem(job));
    const children = [banner, notices, form.element, fixes.element, changes, duplicates, rejectPanels, bar?.element];
    return { children, stop };
  }
  /** @param {CheckedRow['kind']} kind */
  const openRows = (kind) => {
    if (changes) return () => openList(changes);
    return rows ? () => rows.open(kind) : undefined;
  };
  const lists = {
    create: openRows('created'),
    update: openRows('changed'),
    unchanged: rows ? openRows('unchanged') : undefined,
    skipped: rows ? openRows('skipped') : undefined,
    delete: rows ? openRows('missing') : undefined,
    deactivate: rows ? openRows('missing') : undefined,
    duplicate: duplicates ? () => openList(duplicates) : undefined,
    rejected: rejects ? () => openList(rejects.element) : undefined,
  };
  if (mode === 'ready') {
    const openChanges = rows && ((/** @type {string} */ filter) => rows.open('changed', filter));
    const summary = createPreviewSummary(job, context, lists, openChanges);
    const show = () => {
      if (hasChangedOptions) summary.setOutdated(OPTIONS_CHANGED);
      else summary.setOutdated(editor?.drafts.list().length ? FIXES_PREPARED : '');
    };
    const form = createFileForm(job, {
      isRequired: false,
      onReadAgain: readAgain,
      onChange: (isChanged) => {
        hasChangedOptions = isChanged;
        show();
      },
    });
    stopSummary = editor?.drafts.changed.subscribe(show) ?? stopSummary;
    const notices = createNoticesCard(job, context, form.changes, lists);
    const children = [
      summary.element,
      notices,
      fixes.element,
      form.element,
      rows?.element,
      duplicates,
      rejectPanels,
      bar?.element,
    ];
    return { children, stop };
  }
  const summary = createPreviewSummary(job, null, lists, null);
  const notices = createNoticesCard(job, null, undefined, lists);
  const children = [summary.element, notices, fixes.element, createFileSummary(job), changes, duplicates, rejectPanels];
  return { children, stop };
}

/**
 * @param {ImportDetail} job
 * @returns {BannerOptions}
 */
function describeProblem(job) {
  if (needsColumns(job)) {
    return {
      title: failureOf(job),
      detail: lacksSku(job) ? t('imports.check.choose_sku') : t('imports.check.choose_columns'),
      tone: 'warning',
    };
  }
  const hasWritten = job.created_count > 0 || job.updated_count > 0;
  if (isFileRefused(job)) {
    return {
      title: failureOf(job),
      detail: t('imports.check.refused_hint'),
    };
  }
  return {
    title: failureOf(job) ?? t('imports.check.cancelled'),
    detail: t('imports.check.retry_hint', { hasWritten }),
    tone: job.status === 'failed' ? 'error' : 'warning',
  };
}

/**
 * The lists of a check; null for an empty list. `rows` exists while the import awaits its confirmation; after that,
 * `changes` has the first of them.
 * @typedef {object} PreviewLists
 * @property {{element: HTMLElement, open: (kind: CheckedRow['kind'], field?: string) => void} | null} rows
 * @property {HTMLElement | null} changes
 * @property {HTMLElement | null} duplicates
 * @property {ReturnType<typeof createRejectsPanel> | null} rejects
 */

/**
 * @param {ImportDetail} job
 * @param {boolean} isReady whether the import awaits its confirmation; rejected rows are then shown at once
 * @param {FixEditor | null} editor
 * @returns {PreviewLists}
 */
function previewLists(job, isReady, editor) {
  const { preview } = job;
  if (!preview) return { rows: null, changes: null, duplicates: null, rejects: null };
  const panel = isReady ? createCheckedRowsPanel(job) : null;
  /** @type {PreviewLists['rows']} */
  const rows = panel && {
    element: panel.element,
    open: (kind, field) => {
      panel.choose(kind, field);
      openList(panel.element);
    },
  };
  const duplicates = preview.duplicate ? createDuplicatesPanel(job, preview.duplicate) : null;
  const rejects = preview.rejected
    ? createRejectsPanel(job, {
        open: isReady,
        count: preview.rejected,
        hint: describeOtherRows(preview),
        editor,
      })
    : null;
  return { rows, changes: isReady ? null : createChangesCard(preview), duplicates, rejects };
}
