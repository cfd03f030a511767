// What is wrong with a webhook: a pill that names it, and a sentence with the last error and what waits.

import { fill, h, setText } from '../core/dom.js';
import { formatAhead, formatDuration, parseTime } from '../core/format.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';

/** @import { Webhook } from '../core/types.d.ts' */

/**
 * @param {Webhook} webhook
 * @returns {boolean} whether its requests fail now
 */
export const isFailing = (webhook) => webhook.enabled && webhook.failing_since !== null;

/**
 * Create a pill that names the problem of a webhook; it is hidden if there is none.
 * @returns {{element: HTMLElement, show: (webhook: Webhook) => void}}
 */
export function troublePill() {
  const element = h('span', { class: 'trouble', hidden: true, data: { testid: 'webhook-trouble' } });
  let shown = '';
  /** @param {Webhook} webhook */
  const show = (webhook) => {
    const text = describeTrouble(webhook);
    const tone = isFailing(webhook) || webhook.disabled_reason ? 'danger' : '';
    if (shown === text + tone) return;
    shown = text + tone;
    element.hidden = !text;
    fill(
      element,
      h(
        'span',
        { class: `pill ${tone && `pill-${tone}`}`.trim() },
        icon(webhook.enabled ? 'warning' : 'slash'),
        h('span', { text }),
      ),
    );
  };
  return { element, show };
}

/**
 * Create a line with the last error of a failing webhook; it is hidden if the webhook is not failing.
 * @returns {{element: HTMLElement, show: (webhook: Webhook) => void}}
 */
export function troubleLine() {
  const element = h('div', { class: 'trouble-line', hidden: true, data: { testid: 'webhook-failure' } });
  /** @param {Webhook} webhook */
  const show = (webhook) => {
    element.hidden = !isFailing(webhook);
    setText(
      element,
      isFailing(webhook) ? [webhook.last_error, describeWaiting(webhook)].filter(Boolean).join(' ') : '',
    );
  };
  return { element, show };
}

/** @param {Webhook} webhook */
function describeTrouble({ enabled, disabled_reason: reason, failing_since: since }) {
  if (!enabled) return reason ? t('webhooks.trouble.off_automatically') : t('webhooks.trouble.off');
  return since
    ? t('webhooks.trouble.failing_for', { duration: formatDuration((Date.now() - parseTime(since)) / 1000) })
    : '';
}

/**
 * @param {Pick<Webhook, 'health'>} webhook
 * @param {number} [now] milliseconds
 * @returns {string} how many deliveries wait and when the next attempt is; "" if none waits
 */
export function describeWaiting({ health: { waiting, pending, next_attempt_at: next } }, now = Date.now()) {
  const due = pending - waiting;
  if (waiting && !due) {
    return t('webhooks.trouble.waiting', { count: waiting, next: formatAhead(next, now) });
  }
  if (!due) return '';
  return waiting ? t('webhooks.trouble.sending_and_waiting', { due, waiting }) : t('webhooks.trouble.sending', { due });
}
