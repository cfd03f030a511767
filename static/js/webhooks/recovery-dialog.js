// The dialog that sends the deliveries again that have failed, or that wait for their next attempt.

import { getJson, messageOf, sendJson } from '../core/api.js';
import { showDialog } from '../core/dialog.js';
import { h, setText } from '../core/dom.js';
import { formatCount, formatNumber } from '../core/format.js';
import { showMessage } from '../core/message-text.js';
import { toast } from '../core/toast.js';
import { addressOf } from './actions.js';

/** @import { Deliveries, RecoveredCount, Webhook } from '../core/types.d.ts' */

const HOUR_MS = 3_600_000;
// The server lets 5,000 deliveries start over at a time, and answers when it has done so with all of them.
const TIMEOUT_MS = 600_000;
/** @type {[label: string, durationMs: number | null][]} null asks for a time */
const CHOICES = [
  ['Any time', Infinity],
  ['The last hour', HOUR_MS],
  ['The last 24 hours', 24 * HOUR_MS],
  ['The last 7 days', 7 * 24 * HOUR_MS],
  ['Since a time', null],
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
  const timeField = h('div', { class: 'field' }, h('label', { for: 'recover-time', text: 'Date and time' }), time);
  const problem = h('p', { class: 'dialog-problem', role: 'alert', hidden: true, data: { testid: 'recover-error' } });
  const ok = h('button', {
    class: 'button button-primary',
    type: 'submit',
    form: 'recover-form',
    text: 'Retry all now',
    data: { testid: 'recover-ok' },
  });
  const counts = h('p', { class: 'tabular', data: { testid: 'recover-counts' } });
  const showCounts = (failed = 'The failed deliveries') =>
    setText(
      counts,
      `${failed} and ${formatNumber(webhook.health.waiting)} that wait for their next attempt are sent now.`,
    );
  const form = h(
    'form',
    { class: 'confirm', id: 'recover-form', on: { submit } },
    counts,
    h('div', { class: 'field' }, h('label', { for: 'recover-since', text: 'Events of' }), select),
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
    if (ms !== Infinity && Number.isNaN(since.getTime())) return void showProblem('Choose a date and a time.');
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
    setText(ok, wanted ? 'Working…' : 'Retry all now');
  };
  /** @param {string} text */
  const showProblem = (text) => {
    problem.hidden = false;
    showMessage(problem, text);
  };

  const dialog = showDialog({
    title: 'Retry all now?',
    content: [form],
    footer: h(
      'div',
      { class: 'dialog-actions' },
      h('button', { class: 'button', type: 'button', text: 'Cancel', on: { click: () => dialog.close() } }),
      ok,
    ),
    testid: 'recover-dialog',
  });
  paint();
  select.focus();
  showCounts();
  getJson(`${addressOf(webhook.id)}/deliveries`, { query: { status: 'failed', per_page: 1 } }).then(
    (/** @type {Deliveries} */ { pagination: { total, total_is_estimate: isEstimate } }) =>
      showCounts(`${isEstimate ? 'About ' : ''}${formatCount(total, 'failed delivery', 'failed deliveries')}`),
    // Without the count, the dialog says what it sends, but not how many.
    () => {},
  );
}

/**
 * @param {RecoveredCount} recovered
 * @returns {string} how many deliveries of each kind are sent again
 */
export function describeRecovered({ count, failed_count: failed, waiting_count: waiting }) {
  if (!count) return 'No delivery has failed or waits';
  const kinds = [failed ? `${formatNumber(failed)} failed` : '', waiting ? `${formatNumber(waiting)} waiting` : ''];
  return `Retrying ${kinds.filter(Boolean).join(' and ')} ${count === 1 ? 'delivery' : 'deliveries'}`;
}
