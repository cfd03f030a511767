// The result of a check: the counts, a problem that blocks the import, and the button that starts it.

import { announce } from '../core/announcer.js';
import { buildBanner } from '../core/banner.js';
import { h, setText } from '../core/dom.js';
import { formatAhead, formatMoment } from '../core/format.js';
import { t } from '../core/i18n.js';
import { createActionButton, createCancelButton, createSkipRejectsButton, offerAction } from './action-buttons.js';
import { checkHeadline, confirmLabel, describeAllOrNothing } from './check-texts.js';
import { createCountTiles } from './count-tiles.js';
import { countRemovals, describeCounts, previewCounts } from './counts.js';
import { createFieldChanges } from './field-changes.js';
import { isAllRejected } from './job.js';
import { noticesTitle } from './notice-content.js';
import { createStatusPill } from './status-pill.js';

/** @import { ImportDetail } from '../core/types.d.ts' */
/** @import { OpenLists } from './count-tiles.js' */
/** @import { StepContext } from './job-actions.js' */

/**
 * Create the summary.
 * @param {ImportDetail} job
 * @param {StepContext | null} context null for the record of an earlier check, which has no buttons
 * @param {OpenLists} lists opens the lists of the counts
 * @param {((filter: string) => void) | null} openChanges opens the rows that change a field; null if they cannot be
 *   listed any more
 * @returns {{element: HTMLElement, setOutdated: (reason: string) => void}} `setOutdated` blocks the import while
 *   something on the page makes the preview outdated, and says why; "" unblocks it
 */
export function createPreviewSummary(job, context, lists, openChanges) {
  const { preview } = job;
  const counts = previewCounts(preview ?? {}, job);
  const headline = checkHeadline(job);
  const pill = createStatusPill({ testid: 'import-status' });
  const tiles = createCountTiles(lists);
  pill.show(job);
  tiles.show(counts);
  const isBlocked = job.on_reject === 'fail' && preview !== null && preview.rejected > 0;
  const hint = h('p', { class: 'muted', role: 'status', id: 'confirm-why' });
  /** @param {HTMLButtonElement} button */
  const start = (button) => context?.runAction('confirm', { button, busy: t('imports.job.starting') });
  const confirm = createActionButton(confirmLabel(job), 'confirm-import', start, confirmLook(job));
  offerAction(confirm, confirmLabel(job), 'check', start);
  confirm.setAttribute('aria-describedby', hint.id);
  /** @param {string} reason */
  const setOutdated = (reason) => {
    confirm.setAttribute('aria-disabled', String(isBlocked || reason !== ''));
    if (reason) setText(hint, reason);
    else setText(hint, isBlocked ? '' : describeDeadline(job));
  };
  setOutdated('');
  if (context) {
    const args = { headline, counts: describeCounts(counts) };
    announce(
      job.notices.length
        ? t('imports.result.check.announce_notices', { ...args, notices: noticesTitle(job.notices) })
        : t('imports.result.check.announce', args),
    );
  }
  const element = h(
    'article',
    {
      class: 'card import-card',
      'aria-label': t('imports.result.check.label', { name: job.filename }),
      data: { testid: 'check-summary', status: job.status },
    },
    h(
      'div',
      { class: 'import-head' },
      pill.element,
      h('h2', { class: 'import-headline', data: { testid: 'check-headline' }, text: headline }),
    ),
    context && isBlocked ? rejectsBanner(job, context) : null,
    tiles.element,
    createFieldChanges(preview?.fields ?? {}, openChanges),
    context
      ? [h('div', { class: 'import-actions' }, confirm, createCancelButton(context)), hint]
      : h('p', { class: 'muted', text: t('imports.result.check.record') }),
  );
  return { element, setOutdated };
}

/**
 * Return the class of the button that confirms a check. It warns of deletions, and does not invite to import nothing.
 * @param {ImportDetail} job
 */
function confirmLook(job) {
  if (job.options.missing === 'delete' && countRemovals(job)) return 'button-danger';
  return isAllRejected(job) ? '' : 'button-primary';
}

/** @param {ImportDetail} job */
const describeDeadline = (job) =>
  job.confirm_until
    ? t('imports.result.check.deadline', {
        time: formatMoment(job.confirm_until),
        ahead: formatAhead(job.confirm_until),
      })
    : t('imports.result.check.not_written');

/**
 * @param {ImportDetail} job
 * @param {StepContext} context
 */
function rejectsBanner({ rejected_count: rejected, total_records: total }, context) {
  const banner = buildBanner({ tone: 'warning', ...describeAllOrNothing(rejected, total) });
  if (rejected < total) banner.append(createSkipRejectsButton(context));
  return banner;
}
