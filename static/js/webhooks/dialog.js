// The dialog in which a webhook is created or changed.

import { NetworkError, getJson, nextStep, sendJson } from '../core/api.js';
import { showBanner } from '../core/banner.js';
import { askToConfirm } from '../core/confirm.js';
import { showDialog } from '../core/dialog.js';
import { fill, h, setText } from '../core/dom.js';
import { formatTime } from '../core/format.js';
import { addressOf } from './actions.js';
import { newSecret, webhookForm } from './form.js';

const NEW = { url: '', description: '', event_type: '*', imports: 'none' };

/**
 * @param {object} options
 * @param {number} [options.id] of the webhook to change; without one another is created
 * @param {(webhook: object, isNew: boolean) => void} options.onSaved
 */
export async function openWebhook({ id, onSaved }) {
  try {
    const [events, webhook] = await Promise.all([getJson('/api/webhooks/events'), id ? getJson(addressOf(id)) : null]);
    if (!document.querySelector('dialog[open]')) open({ events, webhook, onSaved });
  } catch (error) {
    if (error instanceof NetworkError) return;
    showBanner({
      key: 'webhook-dialog',
      title: `The webhook could not be opened. ${error.message}`,
      detail: nextStep(error),
    });
  }
}

function open({ events, webhook, onSaved }) {
  let busy = false;
  const form = webhookForm({
    events,
    onSubmit: (event) => {
      event.preventDefault();
      save();
    },
    onRotate: webhook?.secret ? rotate : undefined,
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
    text: 'Cancel',
    data: { testid: 'webhook-cancel' },
    on: { click: () => mayClose() && dialog.close() },
  });
  const actions = h('div', { class: 'dialog-actions' }, cancel, saveButton);
  const ask = h(
    'div',
    {
      class: 'discard-ask',
      hidden: true,
      role: 'alertdialog',
      'aria-label': 'Discard the changes?',
      data: { testid: 'discard-ask' },
    },
    h('p', { text: 'Discard what you have changed?' }),
    h(
      'div',
      { class: 'dialog-actions' },
      h('button', {
        class: 'button',
        type: 'button',
        text: 'Keep editing',
        data: { testid: 'discard-keep' },
        on: { click: () => askToDiscard(false) },
      }),
      h('button', {
        class: 'button button-danger',
        type: 'button',
        text: 'Discard',
        data: { testid: 'discard-changes' },
        on: { click: () => dialog.close() },
      }),
    ),
  );

  const isChanged = () => Object.keys(form.changes()).length > 0;
  const askToDiscard = (wanted) => {
    ask.hidden = !wanted;
    actions.hidden = wanted;
    if (wanted) ask.querySelector('button').focus();
    else form.focus();
  };
  const mayClose = () => {
    if (busy) return false;
    if (isChanged()) askToDiscard(ask.hidden);
    return !isChanged();
  };
  const setBusy = (wanted) => {
    busy = wanted;
    saveButton.setAttribute('aria-disabled', String(wanted));
    setText(saveButton, wanted ? 'Saving…' : webhook ? 'Save' : 'Add webhook');
  };

  async function save() {
    if (busy) return;
    const changes = form.changes();
    if (webhook && !Object.keys(changes).length) return void dialog.close();
    fill(notice);
    form.showErrors({});
    setBusy(true);
    try {
      const saved = webhook
        ? await sendJson('PUT', addressOf(webhook.id), { body: changes })
        : await sendJson('POST', '/api/webhooks', { body: form.values() });
      setBusy(false);
      dialog.close();
      onSaved(saved, !webhook);
    } catch (error) {
      setBusy(false);
      if (form.showErrors(error.fields ?? {})) return;
      const text =
        error instanceof NetworkError ? 'The server cannot be reached. What you typed is kept.' : error.message;
      fill(notice, h('div', { class: 'dialog-problem', role: 'alert', text, data: { testid: 'dialog-problem' } }));
    }
  }

  async function rotate() {
    const rotated = await askToConfirm({
      title: 'Replace the secret?',
      text:
        'A new secret is made. For 24 hours requests are signed with both, ' +
        'so that you can change the receiver in between.',
      ok: 'Replace secret',
      run: () => sendJson('POST', `${addressOf(webhook.id)}/rotate-secret`),
    });
    if (rotated) {
      form.setSecret(
        rotated.secret,
        `The secret before is valid until ${formatTime(rotated.previous_secret_expires_at)}.`,
      );
    }
  }

  const dialog = showDialog({
    title: webhook ? 'Edit webhook' : 'New webhook',
    content: [notice, form.element],
    footer: h('div', {}, actions, ask),
    testid: 'webhook-dialog',
    mayClose,
  });
  form.set(webhook ?? { ...NEW, secret: newSecret() });
  setBusy(false);
  form.focus();
}
