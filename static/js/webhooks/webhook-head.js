// The top of the screen of one webhook: its settings, its state and its actions.

import { buildBanner } from '../core/banner.js';
import { offer } from '../core/commands.js';
import { fill, h, setText } from '../core/dom.js';
import { formatList, formatMoment, formatTime } from '../core/format.js';
import { t } from '../core/i18n.js';
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
  const title = h('h1', {
    class: 'file-title',
    text: t('webhooks.one'),
    dir: 'ltr',
    data: { testid: 'webhook-title' },
  });
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
        toast(t('webhooks.saved'));
        onChanged();
      },
    }),
  );
  const remove = withWebhook(async (current) => {
    onDeleting(true);
    if (await deleteWebhook(current)) onDeleted();
    else onDeleting(false);
  });
  const retry = actionButton('refresh', t('webhooks.head.retry_all'), 'webhook-recover', withWebhook(openRecovery));
  // Disabled until the webhook has loaded.
  const actions = [
    actionButton('send', t('webhooks.head.test'), 'webhook-test', test),
    actionButton('edit', t('common.edit'), 'webhook-edit', edit),
    retry,
    actionButton('trash', t('common.delete'), 'webhook-delete', remove, 'button-danger-quiet'),
  ];
  const facts = h(
    'div',
    { class: 'card webhook-card', hidden: true },
    h(
      'dl',
      { class: 'facts' },
      h('div', {}, h('dt', { text: t('webhooks.form.events') }), events),
      h('div', {}, h('dt', { text: t('webhooks.head.imports') }), imports),
      h('div', {}, h('dt', { text: t('webhooks.head.signature') }), secret),
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
        { class: 'crumbs', 'aria-label': t('webhooks.head.breadcrumb') },
        h('a', { href: '#/webhooks', text: t('page.webhooks') }),
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
    document.title = t('common.page_title', { name: latest.url });
    setText(title, latest.url);
    setText(description, latest.description);
    toggle.show(latest, t('webhooks.switch.label'));
    trouble.show(latest);
    setText(
      events,
      latest.event_type === '*' ? t('webhooks.form.all_events') : formatList(latest.event_type.split(',')),
    );
    setText(imports, latest.imports === 'each' ? t('webhooks.head.each') : t('webhooks.head.not_each'));
    setText(secret, describeSecret(latest));
    numbers.show(latest.health);
    facts.hidden = false;
    for (const control of actions) control.disabled = false;
    // The server refuses to send anything while the webhook is off.
    retry.disabled = !latest.enabled;
    retry.title = latest.enabled ? '' : t('webhooks.head.switch_on_first');
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
  'webhook-test': t('webhooks.command.test'),
  'webhook-edit': t('webhooks.command.edit'),
  'webhook-recover': t('webhooks.command.recover'),
  'webhook-delete': t('webhooks.command.delete'),
};

/** @param {Webhook} webhook */
function describeSecret({ secret, previous_secret_expires_at: until }) {
  if (secret === null) return t('webhooks.head.no_secret');
  return until ? t('webhooks.head.two_secrets', { time: formatTime(until) }) : t('webhooks.head.with_secret');
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
      title: error
        ? t('webhooks.head.failing_since_with', { time: formatMoment(since), error })
        : t('webhooks.head.failing_since', { time: formatMoment(since) }),
      detail: ' ',
      action: { label: t('webhooks.recovery.ok'), run: onRetry },
    });
  /** @param {string} reason */
  const disabledBanner = (reason) =>
    buildBanner({
      tone: 'warning',
      title: t('webhooks.head.off_because', { reason }),
      detail: t('webhooks.head.off_hint'),
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
