// The dialog that sends the deliveries again that have failed, or that wait for their next attempt.

import { getJson, messageOf, sendJson } from '../core/api.js';
import { showDialog } from '../core/dialog.js';
import { h, setText } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { showMessage } from '../core/message-text.js';
import { toast } from '../core/toast.js';
import { addressOf } from './actions.js';

/** @import { Deliveries, RecoveredCount, Webhook } from '../core/types.d.ts' */

const HOUR_MS = 3_600_000;
// The server lets 5,000 deliveries start over at a time, and answers when it has done so with all of them.
const TIMEOUT_MS = 600_000;
/** @type {[label: string, durationMs: number | null][]} null asks for a time */
const CHOICES = [
  [t('webhooks.recovery.any'), Infinity],
  [t('webhooks.recovery.hour'), HOUR_MS],
  [t('webhooks.recovery.day'), 24 * HOUR_MS],
  [t('webhooks.recovery.week'), 7 * 24 * HOUR_MS],
  [t('webhooks.recovery.since'), null],
];

/**
 * Open the dialog. It says how many deliveries of each kind there are.
 * @param {Webhook} webhook
 */
export function openRecovery(webhook) {
  const select = h(
    'select',
    { class: 'input', id: 'recover-since', data: { testid: 'recover-since' }, on: { change: () => paint() } },
    CHOICES.map(([label], index) => h('option', { value: index, text: label })),
  );
  const time = h('input', {
    class: 'input',
    type: 'datetime-local',
    id: 'recover-time',
    data: { testid: 'recover-time' },
  });
  const timeField = h(
    'div',
    { class: 'field' },
    h('label', { for: 'recover-time', text: t('webhooks.recovery.time') }),
    time,
  );
  const problem = h('p', { class: 'dialog-problem', role: 'alert', hidden: true, data: { testid: 'recover-error' } });
  const ok = h('button', {
    class: 'button button-primary',
    type: 'submit',
    form: 'recover-form',
    text: t('webhooks.recovery.ok'),
    data: { testid: 'recover-ok' },
  });
  const counts = h('p', { class: 'tabular', data: { testid: 'recover-counts' } });
  /** @param {string} text */
  const showCounts = (text) => setText(counts, text);
  const { waiting } = webhook.health;
  const form = h(
    'form',
    { class: 'confirm', id: 'recover-form', on: { submit } },
    counts,
    h('div', { class: 'field' }, h('label', { for: 'recover-since', text: t('webhooks.recovery.events_of') }), select),
    timeField,
    problem,
  );
  const chosenDuration = () => CHOICES[Number(select.value)]?.[1] ?? null;
  const paint = () => {
    timeField.hidden = chosenDuration() !== null;
  };

  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    const ms = chosenDuration();
    const since = ms === null ? new Date(time.value) : new Date(Date.now() - ms);
    if (ms !== Infinity && Number.isNaN(since.getTime())) return void showProblem(t('webhooks.recovery.choose_time'));
    if (busy) return undefined;
    setBusy(true);
    try {
      /** @type {RecoveredCount} */
      const recovered = await sendJson('POST', `${addressOf(webhook.id)}/recover`, {
        body: ms === Infinity ? {} : { since: since.toISOString() },
        timeoutMs: TIMEOUT_MS,
      });
      dialog.close();
      toast(describeRecovered(recovered));
    } catch (error) {
      showProblem(messageOf(error));
    }
    setBusy(false);
    return undefined;
  }
  let busy = false;
  /** @param {boolean} wanted */
  const setBusy = (wanted) => {
    busy = wanted;
    ok.setAttribute('aria-disabled', String(wanted));
    setText(ok, wanted ? t('common.working') : t('webhooks.recovery.ok'));
  };
  /** @param {string} text */
  const showProblem = (text) => {
    problem.hidden = false;
    showMessage(problem, text);
  };

  const dialog = showDialog({
    title: t('webhooks.recovery.title'),
    content: [form],
    footer: h(
      'div',
      { class: 'dialog-actions' },
      h('button', { class: 'button', type: 'button', text: t('common.cancel'), on: { click: () => dialog.close() } }),
      ok,
    ),
    testid: 'recover-dialog',
  });
  paint();
  select.focus();
  showCounts(t('webhooks.recovery.counts_unknown', { waiting }));
  getJson(`${addressOf(webhook.id)}/deliveries`, { query: { status: 'failed', per_page: 1 } }).then(
    (/** @type {Deliveries} */ { pagination: { total, total_is_estimate: isEstimate } }) =>
      showCounts(t('webhooks.recovery.counts', { isEstimate: Boolean(isEstimate), failed: total, waiting })),
    // Without the count, the dialog says what it sends, but not how many.
    () => {},
  );
}

/**
 * @param {RecoveredCount} recovered
 * @returns {string} how many deliveries of each kind are sent again
 */
export function describeRecovered({ count, failed_count: failed, waiting_count: waiting }) {
  if (!count) return t('webhooks.recovery.none');
  if (!waiting) return t('webhooks.recovery.retrying_failed', { count: failed });
  if (!failed) return t('webhooks.recovery.retrying_waiting', { count: waiting });
  return t('webhooks.recovery.retrying_both', { failed, waiting });
}
