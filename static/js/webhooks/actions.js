// What can be done with a webhook from wherever it is shown.

import { nextStep, sendJson } from '../core/api.js';
import { clearBanner, showBanner } from '../core/banner.js';
import { askToConfirm } from '../core/confirm.js';
import { h } from '../core/dom.js';
import { toast } from '../core/toast.js';

/** @param {number} id @returns {string} where the API has it */
export const addressOf = (id) => `/api/webhooks/${encodeURIComponent(id)}`;

/**
 * Asks, and deletes it.
 * @param {object} webhook
 * @returns {Promise<boolean>} whether it is gone
 */
export async function deleteWebhook(webhook) {
  const done = await askToConfirm({
    title: 'Delete this webhook?',
    text: `${webhook.url} gets no more events, and its deliveries are deleted with it. This cannot be undone.`,
    ok: 'Delete webhook',
    run: () => sendJson('DELETE', addressOf(webhook.id)),
  });
  if (done) toast('Webhook deleted');
  return Boolean(done);
}

/**
 * A switch that saves at once.
 * @param {{onChanged: (webhook: object) => void}} options called with the webhook as it is then
 * @returns {{element: HTMLButtonElement, show: (webhook: object, label: string) => void}}
 */
export function enabledSwitch({ onChanged }) {
  let webhook = null;
  let busy = false;
  const element = h(
    'button',
    {
      class: 'switch',
      type: 'button',
      role: 'switch',
      disabled: true,
      'aria-label': 'Send events',
      data: { testid: 'webhook-switch' },
      on: { click: flip },
    },
    h('span', { class: 'switch-knob' }),
  );
  const paint = (on) => element.setAttribute('aria-checked', String(on));

  async function flip() {
    if (busy) return;
    busy = true;
    const wanted = !webhook.enabled;
    paint(wanted);
    const changed = await switchWebhook(webhook, wanted);
    busy = false;
    if (changed) onChanged(changed);
    else paint(webhook.enabled);
  }

  function show(latest, label) {
    webhook = latest;
    element.disabled = false;
    element.setAttribute('aria-label', label);
    // What was read meanwhile may be from before.
    if (!busy) paint(latest.enabled);
  }
  return { element, show };
}

/**
 * Copies a text and says so.
 * @param {string} text
 * @param {string} what "Secret" or the like
 */
export async function copyText(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    toast(`${what} copied`);
  } catch {
    // Only secure contexts have a clipboard.
    showBanner({
      key: 'clipboard',
      tone: 'warning',
      title: 'The browser does not let this page copy. Select the text and copy it yourself.',
    });
  }
}

// Null when that failed, which a banner says.
async function switchWebhook(webhook, enabled) {
  try {
    const changed = await sendJson('PUT', addressOf(webhook.id), { body: { enabled } });
    clearBanner('webhook-switch');
    toast(enabled ? 'Webhook switched on' : 'Webhook switched off');
    return changed;
  } catch (error) {
    showBanner({
      key: 'webhook-switch',
      title: `The webhook could not be switched ${enabled ? 'on' : 'off'}. ${error.message}`,
      detail: nextStep(error),
    });
    return null;
  }
}
