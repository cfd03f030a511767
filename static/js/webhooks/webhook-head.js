// The top of the screen of one webhook: its settings, its state and its actions.

import { buildBanner } from '../core/banner.js';
import { offer } from '../core/commands.js';
import { fill, h, setText } from '../core/dom.js';
import { formatMoment, formatTime } from '../core/format.js';
import { icon } from '../core/icons.js';
import { toast } from '../core/toast.js';
import { deleteWebhook, enabledSwitch } from './actions.js';
import { openWebhook } from './dialog.js';
import { healthNumbers } from './health.js';
import { openRecovery } from './recovery-dialog.js';
import { openTest } from './test-dialog.js';
import { describeWaiting, isFailing, troublePill } from './trouble.js';

/** @import { IconName } from '../core/icons.js' */
/** @import { Webhook } from '../core/types.d.ts' */

/**
 * Create the top of the screen.
 * @param {object} options
 * @param {() => void} options.onChanged
 * @param {(isDeleting: boolean) => void} options.onDeleting called with true while the webhook may be deleted
 * @param {() => void} options.onDeleted
 * @param {() => void} options.onTested
 * @param {(webhook: Webhook) => void} options.onShown called with each state of the webhook
 * @returns {{element: HTMLElement, show: (webhook: Webhook) => void, test: () => void}} `test` sends a test request
 */
export function webhookHead({ onChanged, onDeleting, onDeleted, onTested, onShown }) {
  /** @type {Webhook | null} */
  let webhook = null;
  /** @param {(webhook: Webhook) => unknown} run */
  const withWebhook = (run) => () => webhook && run(webhook);
  const title = h('h1', { class: 'file-title', text: 'Webhook', dir: 'ltr', data: { testid: 'webhook-title' } });
  const description = h('p', { class: 'muted', dir: 'auto' });
  const trouble = troublePill();
  const note = stateNote({ onRetry: withWebhook(openRecovery) });
  const events = h('dd', { class: 'webhook-all-events' });
  const imports = h('dd', {});
  const secret = h('dd', {});
  const numbers = healthNumbers();
  const toggle = enabledSwitch({ onChanged: show });
  const test = withWebhook((current) => {
    openTest(current);
    onTested();
  });
  const edit = withWebhook(({ id }) =>
    openWebhook({
      id,
      onSaved: () => {
        toast('Webhook saved');
        onChanged();
      },
    }),
  );
  const remove = withWebhook(async (current) => {
    onDeleting(true);
    if (await deleteWebhook(current)) onDeleted();
    else onDeleting(false);
  });
  const retry = actionButton('refresh', 'Retry all…', 'webhook-recover', withWebhook(openRecovery));
  // Disabled until the webhook has loaded.
  const actions = [
    actionButton('send', 'Test', 'webhook-test', test),
    actionButton('edit', 'Edit', 'webhook-edit', edit),
    retry,
    actionButton('trash', 'Delete', 'webhook-delete', remove, 'button-danger-quiet'),
  ];
  const facts = h(
    'div',
    { class: 'card webhook-card', hidden: true },
    h(
      'dl',
      { class: 'facts' },
      h('div', {}, h('dt', { text: 'Events' }), events),
      h('div', {}, h('dt', { text: 'Products of imports' }), imports),
      h('div', {}, h('dt', { text: 'Signature' }), secret),
    ),
    h('div', { class: 'health health-large' }, numbers.element),
  );
  const element = h(
    'div',
    { class: 'stack webhook-top' },
    h(
      'div',
      { class: 'screen-head' },
      h(
        'nav',
        { class: 'crumbs', 'aria-label': 'Breadcrumb' },
        h('a', { href: '#/webhooks', text: 'Webhooks' }),
        h('span', { 'aria-hidden': 'true', text: '/' }),
      ),
      title,
    ),
    h(
      'div',
      { class: 'webhook-line' },
      toggle.element,
      trouble.element,
      description,
      h('span', { class: 'spacer' }),
      actions,
    ),
    note.element,
    facts,
  );

  /** @param {Webhook} latest */
  function show(latest) {
    webhook = latest;
    document.title = `${latest.url} · Acme Product Importer`;
    setText(title, latest.url);
    setText(description, latest.description);
    toggle.show(latest, 'Send events');
    trouble.show(latest);
    setText(events, latest.event_type === '*' ? 'All events' : latest.event_type.split(',').join(', '));
    setText(imports, latest.imports === 'each' ? 'One request per product' : 'Not sent one by one');
    setText(secret, describeSecret(latest));
    numbers.show(latest.health);
    facts.hidden = false;
    for (const control of actions) control.disabled = false;
    // The server refuses to send anything while the webhook is off.
    retry.disabled = !latest.enabled;
    retry.title = latest.enabled ? '' : 'Switch the webhook on first';
    onShown(latest);
    note.show(latest);
  }
  return { element, show, test };
}

/**
 * @param {IconName} shape
 * @param {string} text
 * @param {string} testid
 * @param {() => unknown} run
 * @param {string} [look]
 */
const actionButton = (shape, text, testid, run, look = '') =>
  offer(
    h(
      'button',
      {
        class: `button button-small ${look}`.trim(),
        type: 'button',
        disabled: true,
        data: { testid },
        on: { click: run },
      },
      icon(shape),
      text,
    ),
    { id: testid, label: COMMANDS[testid] ?? text, shape, run },
  );

/** @type {Record<string, string | undefined>} */
const COMMANDS = {
  'webhook-test': 'Send a test request',
  'webhook-edit': 'Edit this webhook',
  'webhook-recover': 'Retry all failed deliveries…',
  'webhook-delete': 'Delete this webhook…',
};

/** @param {Webhook} webhook */
function describeSecret({ secret, previous_secret_expires_at: until }) {
  if (secret === null) return 'None';
  return until ? `Two secrets until ${formatTime(until)}` : 'With a secret';
}

/**
 * Create the note that says that a webhook is failing, or why it was switched off.
 * @param {{onRetry: () => void}} options
 * @returns {{element: HTMLElement, show: (webhook: Webhook) => void}}
 */
function stateNote({ onRetry }) {
  const element = h('div', { data: { testid: 'webhook-reason' } });
  /** @type {Element | null} */
  let waiting = null;
  let shown = '';
  /** @param {Webhook} webhook */
  const failingBanner = ({ failing_since: since, last_error: error }) =>
    buildBanner({
      title: `Failing since ${formatMoment(since)}${error ? `: ${error}` : ''}`,
      detail: ' ',
      action: { label: 'Retry all now', run: onRetry },
    });
  /** @param {string} reason */
  const disabledBanner = (reason) =>
    buildBanner({
      tone: 'warning',
      title: `Switched off automatically: ${reason}`,
      detail:
        'Events are not sent while it is off. Repair the receiver, test it, then switch the webhook on. ' +
        'Failed deliveries can be retried then.',
    });
  /** @param {Webhook} webhook */
  const show = (webhook) => {
    const failing = isFailing(webhook);
    const reason = webhook.enabled ? '' : (webhook.disabled_reason ?? '');
    const key = failing ? `${webhook.failing_since} ${webhook.last_error}` : reason;
    // Screen readers read a new banner aloud, so a banner is replaced only if what it says has changed.
    if (key !== shown) {
      shown = key;
      fill(element, failing ? failingBanner(webhook) : reason ? disabledBanner(reason) : null);
      waiting = failing ? element.querySelector('.banner-detail') : null;
      // The changing counts are not announced again and again.
      waiting?.setAttribute('aria-live', 'off');
    }
    if (waiting) setText(waiting, describeWaiting(webhook));
  };
  return { element, show };
}
