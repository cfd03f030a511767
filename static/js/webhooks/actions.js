// Actions on a webhook that several screens offer.

import { messageOf, nextStep, sendJson } from '../core/api.js';
import { clearBanner, showBanner } from '../core/banner.js';
import { askToConfirm } from '../core/confirm.js';
import { h } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { toast } from '../core/toast.js';

/** @import { Webhook } from '../core/types.d.ts' */

/** @param {number} id @returns {string} address of a webhook in the API */
export const addressOf = (id) => `/api/webhooks/${encodeURIComponent(id)}`;

/**
 * Delete a webhook after a confirmation.
 * @param {Webhook} webhook
 * @returns {Promise<boolean>} whether it was deleted
 */
export async function deleteWebhook(webhook) {
  const done = await askToConfirm({
    title: t('webhooks.delete.title'),
    text: t('webhooks.delete.text', { url: webhook.url }),
    ok: t('webhooks.delete.ok'),
    run: () => sendJson('DELETE', addressOf(webhook.id)),
  });
  if (done) toast(t('webhooks.delete.done'));
  return Boolean(done);
}

/**
 * Create a switch that enables or disables a webhook at once.
 * @param {{onChanged: (webhook: Webhook) => void}} options `onChanged` gets the webhook as the server saved it
 * @returns {{element: HTMLButtonElement, show: (webhook: Webhook, label: string) => void}}
 */
export function enabledSwitch({ onChanged }) {
  /** @type {Webhook | null} */
  let webhook = null;
  let busy = false;
  const element = h(
    'button',
    {
      class: 'switch',
      type: 'button',
      role: 'switch',
      'aria-checked': 'false',
      disabled: true,
      'aria-label': t('webhooks.switch.label'),
      data: { testid: 'webhook-switch' },
      on: { click: flip },
    },
    h('span', { class: 'switch-knob' }),
  );
  /** @param {boolean} on */
  const paint = (on) => element.setAttribute('aria-checked', String(on));

  async function flip() {
    if (busy || !webhook) return;
    busy = true;
    const wanted = !webhook.enabled;
    paint(wanted);
    const changed = await switchWebhook(webhook, wanted);
    busy = false;
    if (changed) onChanged(changed);
    else paint(webhook.enabled);
  }

  /**
   * @param {Webhook} latest
   * @param {string} label
   */
  function show(latest, label) {
    webhook = latest;
    element.disabled = false;
    element.setAttribute('aria-label', label);
    // A response that arrives during a change may show the state before it.
    if (!busy) paint(latest.enabled);
  }
  return { element, show };
}

/**
 * @param {Webhook} webhook
 * @param {boolean} enabled
 * @returns {Promise<Webhook | null>} null after a failure, which a banner reports
 */
async function switchWebhook(webhook, enabled) {
  try {
    /** @type {Webhook} */
    const changed = await sendJson('PUT', addressOf(webhook.id), { body: { enabled } });
    clearBanner('webhook-switch');
    toast(enabled ? t('webhooks.switch.on') : t('webhooks.switch.off'));
    return changed;
  } catch (error) {
    showBanner({
      key: 'webhook-switch',
      title: t('webhooks.switch.failed', { on: enabled, reason: messageOf(error) }),
      detail: nextStep(error),
    });
    return null;
  }
}
