// What can be done with a webhook from wherever it is shown.

import { nextStep, sendJson } from './api.js';
import { showBanner } from './banner.js';
import { askToConfirm } from './confirm.js';
import { toast } from './toast.js';

/** @param {number} id @returns {string} where the API has it */
export const addressOf = (id) => `/api/webhooks/${encodeURIComponent(id)}`;

/**
 * Switches it on or off.
 * @param {object} webhook
 * @param {boolean} enabled
 * @returns {Promise<object|null>} the webhook as it is then; null when that failed, which a banner says
 */
export async function switchWebhook(webhook, enabled) {
  try {
    const changed = await sendJson('PUT', addressOf(webhook.id), { body: { enabled } });
    toast(enabled ? 'Webhook switched on' : 'Webhook switched off');
    return changed;
  } catch (error) {
    showBanner({ key: 'webhook-switch', title: `The webhook could not be switched ${enabled ? 'on' : 'off'}. ${error.message}`, detail: nextStep(error) });
    return null;
  }
}

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
 * @param {HTMLButtonElement} button with role="switch"
 * @param {boolean} on
 */
export function paintSwitch(button, on) {
  button.setAttribute('aria-checked', String(on));
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
    showBanner({ key: 'clipboard', tone: 'warning', title: 'The browser does not let this page copy. Select the text and copy it yourself.' });
  }
}
