// Notices about bulk changes and their undos: what they did, with "Undo", or why they failed, with "Retry".

import { messageOf, nextStep, sendJson } from '../core/api.js';
import { bulkCalled, bulkChanged, jobStarted } from '../core/app-events.js';
import { clearBanner, showBanner } from '../core/banner.js';
import { elementById } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { go } from '../core/router.js';
import { may } from '../core/session.js';
import { toast } from '../core/toast.js';
import { describeBulkEnd, describeBulkWritten, otherAuthor } from './bulk-texts.js';
import { importApiPath } from './job-actions.js';
import { canRetry, failureOf, isInFuture, nameOf } from './job.js';
import { bulkText } from './server-texts.js';
import { importAddress } from './steps.js';
import { labelWithDeadline } from './undo-texts.js';

/** @import { IconName } from '../core/icons.js' */
/** @import { BulkCount, ImportJob } from '../core/types.d.ts' */
/** @import { BulkJob } from './job.js' */

/** Long enough to notice the end of something that ran in the background. */
const SHOWN_MS = 20_000;

/**
 * The bulk changes whose result was shown: a slow one is both followed as a job and awaited by its call.
 * @type {Set<string>}
 */
const shown = new Set();

/** Settles when no call of this page is under way. @type {Promise<unknown>} */
let calls = Promise.resolve();

/** Show the results of the bulk changes that calls of this page make at once. */
export function installBulkNotices() {
  bulkCalled.subscribe((call) => {
    calls = Promise.allSettled([calls, call]);
  });
  bulkChanged.subscribe(showAnswer);
}

/** @param {BulkCount} answer */
function showAnswer(answer) {
  const { undo_until: until = null, task_id: taskId = '' } = answer;
  if (shown.has(taskId)) return;
  shown.add(taskId);
  showResult(bulkText(answer).replace(/\.$/, ''), taskId, { until, link: false });
}

/**
 * Show how a bulk change or an undo has ended. The answer of a call says more, but the stream may report the end first.
 * @param {BulkJob} job
 */
export async function showBulkEnd(job) {
  await calls;
  // A retry ends again.
  const key = job.run > 1 ? `${job.task_id} ${job.run}` : job.task_id;
  if (shown.has(key)) return undefined;
  shown.add(key);
  if (job.status === 'failed') return showFailure(job);
  const other = otherAuthor(job);
  // People undo what others did from its details, not in passing.
  const until = job.kind === 'bulk' && !other ? job.undo_until : null;
  const text = describeBulkEnd(job);
  return showResult(other ? t('imports.bulk.notice.by', { name: other, text }) : text, job.task_id, {
    until,
    link: true,
    shape: job.status === 'cancelled' ? 'slash' : 'check',
  });
}

/**
 * @param {string} text
 * @param {string} taskId
 * @param {{until: string | null, link: boolean, shape?: IconName}} options `until` is the deadline of an undo
 */
function showResult(text, taskId, { until, link, shape }) {
  const details = { label: t('imports.bulk.notice.details'), href: importAddress(taskId, 'result') };
  const undo = {
    label: labelWithDeadline(t('imports.bulk.notice.undo'), until),
    run: () => act(taskId, 'undo'),
    testid: 'undo-bulk',
  };
  toast(text, {
    shape,
    ...(isInFuture(until) && may('imports:write') ? undo : {}),
    ...(link ? { link: details, shownMs: SHOWN_MS } : {}),
  });
}

/** @param {BulkJob} job */
function showFailure(job) {
  const key = `ended-${job.task_id}`;
  const view = () => {
    clearBanner(key);
    go(importAddress(job.task_id));
  };
  const retry = () => {
    clearBanner(key);
    act(job.task_id, 'retry');
  };
  const name = nameOf(job);
  const reason = failureOf(job);
  showBanner({
    key,
    title: reason
      ? t('imports.bulk.notice.failed', { name, reason })
      : t('imports.bulk.notice.failed_unknown', { name, kind: job.kind }),
    detail: describeBulkWritten(job),
    action:
      canRetry(job) && may('imports:write')
        ? { label: t('imports.bulk.notice.retry'), run: retry }
        : { label: t('imports.bulk.notice.details'), run: view },
  });
}

/**
 * Undo a bulk change, or run it again. A refusal is shown in a banner.
 * @param {string} taskId
 * @param {'undo' | 'retry'} action
 */
async function act(taskId, action) {
  try {
    const body = action === 'undo' ? { started_from: 'page' } : undefined;
    /** @type {ImportJob} */
    const job = await sendJson('POST', importApiPath(taskId, action), { body });
    jobStarted.emit(job);
  } catch (error) {
    const reason = messageOf(error);
    showBanner({
      key: `action-${taskId}`,
      title:
        action === 'undo'
          ? t('imports.bulk.notice.not_undone', { reason })
          : t('imports.bulk.notice.not_retried', { reason }),
      detail: nextStep(error),
      action: { label: t('imports.bulk.notice.details'), run: () => go(importAddress(taskId)) },
    });
  }
  // The button that was pressed is gone.
  if (document.activeElement === document.body) elementById('main').focus({ preventScroll: true });
}
