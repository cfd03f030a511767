// The result of a check: counts, what is in the way, and the button that imports.

import { announce } from '../core/announcer.js';
import { buildBanner } from '../core/banner.js';
import { h, setText } from '../core/dom.js';
import { formatAhead, formatCount, formatMoment, formatNumber } from '../core/format.js';
import { createActionButton, createCancelButton, createSkipRejectsButton } from './action-buttons.js';
import { createCountTiles } from './count-tiles.js';
import { describeAllOrNothing, describeCounts, previewCounts } from './descriptions.js';
import { createStatusPill } from './status-pill.js';

/**
 * @param {object} job with a preview
 * @param {import('./detail-screen.js').StepContext|null} context null: as a record, without buttons
 * @returns {{element: HTMLElement, setOutdated: (isOutdated: boolean) => void}}
 */
export function createPreviewSummary(job, context) {
  const { preview } = job;
  const pill = createStatusPill({ testid: 'import-status' });
  const tiles = createCountTiles();
  pill.show(job);
  tiles.show(previewCounts(preview ?? {}, job));
  const isBlocked = job.on_reject === 'fail' && preview?.rejected > 0;
  const why = h('p', { class: 'muted', role: 'status', id: 'confirm-why' });
  const confirm = createActionButton(confirmLabel(preview), 'confirm-import', (button) =>
    context.call('confirm', { button, busy: 'Starting…' }),
  );
  confirm.setAttribute('aria-describedby', why.id);
  const setOutdated = (isOutdated) => {
    confirm.setAttribute('aria-disabled', String(isBlocked || isOutdated));
    setText(
      why,
      isOutdated ? 'Read the file again first: something was changed below.' : isBlocked ? '' : untilSentence(job),
    );
  };
  setOutdated(false);
  if (context) {
    announce(
      `${summarySentence(preview)}. ${describeCounts(previewCounts(preview, job))}. Nothing has been written yet.`,
    );
  }
  const element = h(
    'article',
    {
      class: 'card import-card',
      'aria-label': `Check of ${job.filename}`,
      data: { testid: 'check-summary', status: job.status },
    },
    h(
      'div',
      { class: 'import-head' },
      pill.element,
      h('h2', { class: 'import-headline', data: { testid: 'check-headline' }, text: summarySentence(preview) }),
    ),
    context && isBlocked ? blocked(job, context) : null,
    tiles.element,
    context
      ? [h('div', { class: 'import-actions' }, confirm, createCancelButton(context)), why]
      : h('p', { class: 'muted', text: 'This is what the check found. What came of it is under Result.' }),
  );
  return { element, setOutdated };
}

function confirmLabel(preview) {
  const count = (preview?.create ?? 0) + (preview?.update ?? 0);
  return count ? `Import ${formatCount(count, 'product')}` : 'Finish without changes';
}

function summarySentence(preview) {
  if (!preview) return 'Not counted';
  const { create = 0, update = 0 } = preview;
  if (!create && !update) return 'Nothing would change';
  const parts = [
    create && `${formatCount(create, 'product')} would be created`,
    update && (create ? `${formatNumber(update)} updated` : `${formatCount(update, 'product')} would be updated`),
  ];
  return parts.filter(Boolean).join(', ');
}

const untilSentence = (job) =>
  job.confirm_until
    ? `Nothing has been written yet. It waits until ${formatMoment(job.confirm_until)} ` +
      `(${formatAhead(job.confirm_until)}), then it is cancelled.`
    : 'Nothing has been written yet.';

function blocked(job, context) {
  const banner = buildBanner({ tone: 'warning', ...describeAllOrNothing(job.preview.rejected) });
  banner.append(createSkipRejectsButton(context));
  return banner;
}
