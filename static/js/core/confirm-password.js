// A small dialog that asks for the password of the person before something that only they may see or do.

import { ApiError, messageOf, sendJson } from './api.js';
import { showDialog } from './dialog.js';
import { h } from './dom.js';
import { t } from './i18n.js';
import { showMessage } from './message-text.js';

/**
 * Ask for the password until it is right.
 * @param {string} text why
 * @returns {Promise<boolean>} whether the person confirmed; false if they closed the dialog
 */
export function confirmPassword(text) {
  return new Promise((resolve) => {
    let isConfirmed = false;
    let isBusy = false;
    const problem = h('p', { class: 'field-error', role: 'alert', id: 'confirm-password-problem' });
    const input = h('input', {
      class: 'input',
      id: 'confirm-password',
      type: 'password',
      autocomplete: 'current-password',
      'aria-describedby': problem.id,
      data: { testid: 'confirm-password' },
      on: { input: () => showMessage(problem, '') },
    });
    const form = h(
      'form',
      { class: 'confirm', id: 'confirm-password-form', novalidate: true, on: { submit } },
      h('p', { text }),
      h('div', { class: 'field' }, h('label', { for: input.id, text: t('core.password.label') }), input, problem),
    );
    const ok = h('button', {
      class: 'button button-primary',
      type: 'submit',
      form: form.id,
      text: t('core.password.confirm'),
      data: { testid: 'confirm-password-ok' },
    });
    const cancel = h('button', {
      class: 'button',
      type: 'button',
      text: t('common.cancel'),
      on: { click: () => dialog.close() },
    });

    /** @param {SubmitEvent} event */
    async function submit(event) {
      event.preventDefault();
      if (isBusy) return;
      if (!input.value) {
        showMessage(problem, t('core.password.missing'));
        return;
      }
      isBusy = true;
      ok.setAttribute('aria-disabled', 'true');
      try {
        await sendJson('POST', '/api/account/confirm', { body: { password: input.value } });
        isConfirmed = true;
        dialog.close();
      } catch (error) {
        const isWrong = error instanceof ApiError && error.code === 'wrong_password';
        showMessage(problem, isWrong ? t('core.password.wrong') : messageOf(error));
        input.select();
        input.focus();
      }
      isBusy = false;
      ok.removeAttribute('aria-disabled');
    }
    const dialog = showDialog({
      title: t('core.password.title'),
      content: [form],
      footer: h('div', { class: 'dialog-actions' }, cancel, ok),
      testid: 'confirm-password-dialog',
      onClose: () => resolve(isConfirmed),
    });
    input.focus();
  });
}
