// The dialog that creates or changes a webhook.

import { ApiError, NetworkError, getJson, messageOf, nextStep, sendJson } from '../core/api.js';
import { showBanner } from '../core/banner.js';
import { askToConfirm } from '../core/confirm.js';
import { confirmPassword } from '../core/confirm-password.js';
import { showDialog } from '../core/dialog.js';
import { createDiscardQuestion } from '../core/discard-question.js';
import { fill, h, setText } from '../core/dom.js';
import { formatTime, parseTime } from '../core/format.js';
import { t } from '../core/i18n.js';
import { addressOf } from './actions.js';
import { newSecret, webhookForm } from './form.js';

/** @import { EventType, RotatedSecret, Webhook } from '../core/types.d.ts' */
/** @import { WebhookValues } from './form.js' */

/** @type {Omit<WebhookValues, 'secret'>} */
const NEW_WEBHOOK = { url: '', description: '', event_type: '*', imports: 'none' };

/**
 * Open the dialog.
 * @param {object} options
 * @param {number} [options.id] of the webhook to change; without it the dialog creates one
 * @param {(webhook: Webhook, isNew: boolean) => void} options.onSaved
 */
export async function openWebhook({ id, onSaved }) {
  try {
    const [events, webhook] = await Promise.all([getJson('/api/webhooks/events'), id ? getJson(addressOf(id)) : null]);
    if (!document.querySelector('dialog[open]')) open({ events, webhook, onSaved });
  } catch (error) {
    if (error instanceof NetworkError) return;
    showBanner({
      key: 'webhook-dialog',
      title: t('webhooks.dialog.not_opened', { reason: messageOf(error) }),
      detail: nextStep(error),
    });
  }
}

/**
 * @param {{events: EventType[], webhook: Webhook | null, onSaved: (webhook: Webhook, isNew: boolean) => void}} options
 */
function open({ events, webhook, onSaved }) {
  let busy = false;
  const form = webhookForm({
    events,
    onSubmit: (event) => {
      event.preventDefault();
      save();
    },
    onRotate: webhook?.secret ? rotate : undefined,
    isMasked: webhook?.secret_is_masked,
    onUnmask: webhook ? () => fetchSecret(webhook.id) : undefined,
  });
  const notice = h('div', { class: 'dialog-notice' });
  const saveButton = h('button', {
    class: 'button button-primary',
    type: 'submit',
    form: form.element.id,
    data: { testid: 'webhook-save' },
  });
  const cancel = h('button', {
    class: 'button',
    type: 'button',
    text: t('common.cancel'),
    data: { testid: 'webhook-cancel' },
    on: { click: () => mayClose() && dialog.close() },
  });
  const actions = h('div', { class: 'dialog-actions' }, cancel, saveButton);
  const isChanged = () => Object.keys(form.changes()).length > 0;
  const question = createDiscardQuestion({
    actions,
    isChanged,
    onKeep: () => form.focus(),
    onDiscard: () => dialog.close(),
  });
  const mayClose = () => !busy && question.mayClose();
  /** @param {boolean} wanted */
  const setBusy = (wanted) => {
    busy = wanted;
    saveButton.setAttribute('aria-disabled', String(wanted));
    setText(saveButton, wanted ? t('common.saving') : webhook ? t('common.save') : t('webhooks.add'));
  };

  async function save() {
    if (busy) return;
    const changes = form.changes();
    if (webhook && !Object.keys(changes).length) return void dialog.close();
    fill(notice);
    form.showErrors({});
    setBusy(true);
    try {
      /** @type {Webhook} */
      const saved = webhook
        ? await sendJson('PUT', addressOf(webhook.id), { body: changes })
        : await sendJson('POST', '/api/webhooks', { body: form.values() });
      setBusy(false);
      dialog.close();
      onSaved(saved, !webhook);
    } catch (error) {
      setBusy(false);
      if (form.showErrors(error instanceof ApiError ? error.fields : {})) return;
      const text = error instanceof NetworkError ? t('webhooks.dialog.text_is_kept') : messageOf(error);
      fill(
        notice,
        h('div', { class: 'dialog-problem', role: 'alert', message: text, data: { testid: 'dialog-problem' } }),
      );
    }
  }

  async function rotate() {
    if (!webhook) return;
    const rotated = await askToRotate(webhook);
    if (!rotated) return;
    webhook.previous_secret_expires_at = rotated.previous_secret_expires_at;
    form.setSecret(
      rotated,
      t('webhooks.secret.previous_until', { time: formatTime(rotated.previous_secret_expires_at) }),
    );
  }

  const dialog = showDialog({
    title: webhook ? t('webhooks.dialog.edit') : t('webhooks.dialog.new'),
    content: [notice, form.element],
    footer: h('div', {}, actions, question.element),
    testid: 'webhook-dialog',
    mayClose,
  });
  form.set(webhook ?? { ...NEW_WEBHOOK, secret: newSecret() });
  setBusy(false);
  form.focus();
}

/**
 * Fetch the secret of a webhook after the person has given their password.
 * @param {number} id
 * @returns {Promise<string | null>} null if they did not
 */
async function fetchSecret(id) {
  if (!(await confirmPassword(t('webhooks.secret.needs_password')))) return null;
  try {
    /** @type {Webhook} */
    const webhook = await getJson(addressOf(id));
    return webhook.secret_is_masked ? null : webhook.secret;
  } catch (error) {
    showBanner({ key: 'webhook-secret', title: messageOf(error), detail: nextStep(error) });
    return null;
  }
}

/**
 * Replace the secret of a webhook after a confirmation. While the previous secret is valid, a receiver may still use
 * it, so another replacement ends it only if the user wants that.
 * @param {Webhook} webhook
 * @returns {Promise<RotatedSecret | undefined>} undefined if the secret stays
 */
function askToRotate(webhook) {
  const until = webhook.previous_secret_expires_at;
  let force = parseTime(until) > Date.now();
  return askToConfirm({
    title: force ? t('webhooks.rotate.again_title') : t('webhooks.rotate.title'),
    text: force ? t('webhooks.rotate.again_text', { time: formatTime(until) }) : t('webhooks.rotate.text'),
    ok: () => (force ? t('webhooks.rotate.again_ok') : t('webhooks.rotate.ok')),
    run: async () => {
      try {
        const body = force ? { force } : undefined;
        return await sendJson('POST', `${addressOf(webhook.id)}/rotate-secret`, { body });
      } catch (error) {
        // Somebody else has replaced it meanwhile. The dialog says so, and its button now replaces it again.
        force ||= error instanceof ApiError && error.code === 'rotation_pending';
        throw error;
      }
    },
  });
}
