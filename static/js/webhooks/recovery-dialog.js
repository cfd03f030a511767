// The dialog that resends failed deliveries.

import { messageOf, sendJson } from '../core/api.js';
import { showDialog } from '../core/dialog.js';
import { h } from '../core/dom.js';
import { formatCount } from '../core/format.js';
import { showMessage } from '../core/message-text.js';
import { toast } from '../core/toast.js';
import { addressOf } from './actions.js';

/** @import { RecoveredCount, Webhook } from '../core/types.d.ts' */

const HOUR_MS = 3_600_000;
/** @type {[label: string, durationMs: number | null][]} */
const CHOICES = [
  ['The last hour', HOUR_MS],
  ['The last 24 hours', 24 * HOUR_MS],
  ['The last 7 days', 7 * 24 * HOUR_MS],
  ['Since a time', null],
];

/**
 * Open the dialog that resends failed deliveries.
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
    text: 'Send again',
    data: { testid: 'recover-ok' },
  });
  const form = h(
    'form',
    { class: 'confirm', id: 'recover-form', on: { submit } },
    h('p', { text: 'Every failed delivery whose event happened within this time is sent again.' }),
    h('div', { class: 'field' }, h('label', { for: 'recover-since', text: 'Failed deliveries of' }), select),
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
    if (Number.isNaN(since.getTime())) return void showProblem('Choose a date and a time.');
    try {
      /** @type {RecoveredCount} */
      const { count } = await sendJson('POST', `${addressOf(webhook.id)}/recover`, {
        body: { since: since.toISOString() },
      });
      dialog.close();
      toast(count ? `Sending ${formatCount(count, 'delivery', 'deliveries')} again` : 'No delivery had failed');
    } catch (error) {
      showProblem(messageOf(error));
    }
    return undefined;
  }
  /** @param {string} text */
  const showProblem = (text) => {
    problem.hidden = false;
    showMessage(problem, text);
  };

  const dialog = showDialog({
    title: 'Recover failed deliveries',
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
}
