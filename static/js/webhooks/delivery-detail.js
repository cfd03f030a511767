// What an open row of the table of deliveries shows: every attempt with its request and response.

import { getJson, messageOf, nextStep, sendJson } from '../core/api.js';
import { showBanner } from '../core/banner.js';
import { copyText } from '../core/clipboard.js';
import { fill, h } from '../core/dom.js';
import { formatDuration, formatTime } from '../core/format.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { toast } from '../core/toast.js';
import { addressOf } from './actions.js';
import { codeBlock } from './test-dialog.js';

/** @import { Child } from '../core/dom.js' */
/** @import { Delivery, DeliveryAttempt, DeliveryDetail } from '../core/types.d.ts' */

/**
 * Create the content of an open row.
 * @param {number} webhookId
 * @returns {{element: HTMLElement, show: (delivery: Delivery) => void, load: (delivery: Delivery) => Promise<void>}}
 *   `load` fetches the body of the request and shows everything
 */
export function deliveryDetail(webhookId) {
  const element = h('div', { class: 'delivery-detail', data: { testid: 'delivery-detail' } });
  /** @type {string | null} */
  let sent = null;

  /** @param {Delivery} delivery */
  const show = (delivery) =>
    fill(
      element,
      h(
        'div',
        { class: 'delivery-head' },
        h('code', { class: 'delivery-id', text: delivery.event_id }),
        h(
          'button',
          {
            class: 'button button-small',
            type: 'button',
            data: { testid: 'copy-id' },
            on: { click: () => copyText(delivery.event_id, t('webhooks.delivery.id')) },
          },
          icon('copy'),
          t('webhooks.delivery.copy_id'),
        ),
        h('span', { class: 'spacer' }),
        h(
          'button',
          {
            class: 'button button-small',
            type: 'button',
            data: { testid: 'delivery-resend' },
            on: { click: () => resend(delivery) },
          },
          icon('send'),
          t('webhooks.delivery.send_again'),
        ),
      ),
      h('h3', { text: delivery.attempts.length ? t('webhooks.delivery.attempts') : t('webhooks.delivery.no_attempt') }),
      h(
        'ol',
        { class: 'attempts' },
        delivery.attempts.toReversed().map((attempt, index) => attemptItem(attempt, index === 0)),
      ),
      h('h3', { text: t('webhooks.delivery.request_body') }),
      sent === null
        ? h('div', { class: 'skeleton', 'aria-hidden': 'true' })
        : codeBlock(pretty(sent), t('webhooks.delivery.request_body')),
    );

  /** @param {Delivery} delivery */
  async function load(delivery) {
    show(delivery);
    if (sent !== null) return;
    try {
      /** @type {DeliveryDetail} */
      const detailed = await getJson(`${addressOf(webhookId)}/deliveries/${delivery.id}`);
      sent = detailed.request_body;
      show(detailed);
    } catch (error) {
      fill(
        element,
        h('p', { class: 'dialog-problem', role: 'alert', message: `${messageOf(error)} ${nextStep(error)}` }),
      );
    }
  }

  /** @param {Delivery} delivery */
  async function resend(delivery) {
    try {
      await sendJson('POST', `${addressOf(webhookId)}/deliveries/${delivery.id}/resend`);
      toast(t('webhooks.delivery.sending_again'));
    } catch (error) {
      showBanner({ key: 'delivery-resend', title: messageOf(error), detail: nextStep(error) });
    }
  }
  return { element, show, load };
}

/**
 * @param {DeliveryAttempt} attempt
 * @param {boolean} open
 */
function attemptItem(attempt, open) {
  const good = attempt.error === null;
  return h(
    'li',
    { class: 'attempt', data: { testid: 'attempt' } },
    h(
      'details',
      { open },
      h(
        'summary',
        {},
        icon(good ? 'check' : 'cross', good ? 'tone-good' : 'tone-bad'),
        h('span', { class: 'tabular attempt-code', text: attempt.status_code ?? t('webhooks.delivery.no_answer') }),
        h('span', { class: 'tabular', text: formatDuration(attempt.response_time_ms / 1000) }),
        h('span', { class: 'muted', text: formatTime(attempt.at) }),
        attempt.error ? h('span', { class: 'attempt-error', text: attempt.error }) : null,
      ),
      h(
        'div',
        { class: 'attempt-more' },
        h('p', {}, h('span', { class: 'muted', text: 'POST ' }), h('code', { text: attempt.url })),
        headers(t('webhooks.delivery.request_headers'), attempt.request_headers),
        headers(t('webhooks.delivery.response_headers'), attempt.response_headers),
        attempt.response_text
          ? [
              h('h4', { text: t('webhooks.delivery.response') }),
              codeBlock(attempt.response_text, t('webhooks.delivery.response')),
            ]
          : null,
      ),
    ),
  );
}

/**
 * @param {string} title
 * @param {Record<string, unknown>} values
 * @returns {Child}
 */
function headers(title, values) {
  const entries = Object.entries(values);
  if (!entries.length) return null;
  return [h('h4', { text: title }), codeBlock(entries.map(([name, value]) => `${name}: ${value}`).join('\n'), title)];
}

/** @param {string} text JSON, or any other text, which stays as it is */
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
