// The dialog that invites a person, and the one that shows a one-time link.

import { sendJson } from '../core/api.js';
import { copyLine } from '../core/clipboard.js';
import { showDialog } from '../core/dialog.js';
import { fill, h } from '../core/dom.js';
import { formatTime } from '../core/format.js';
import { t } from '../core/i18n.js';
import { accessForm } from './access-form.js';
import { textField } from './fields.js';
import { roleSelect } from './roles.js';

/** @import { InvitedUser, OneTimeLink } from '../core/types.d.ts' */

/**
 * Open the dialog that invites a person.
 * @param {() => void} onInvited
 */
export function openInvitation(onInvited) {
  const name = textField(t('access.name'), {
    autocomplete: 'off',
    autocapitalize: 'words',
    data: { testid: 'invite-name' },
  });
  const email = textField(t('access.email'), { type: 'email', autocomplete: 'off', data: { testid: 'invite-email' } });
  const role = roleSelect('editor', { id: 'invite-role', data: { testid: 'invite-role' } });
  const form = accessForm({
    testid: 'invitation',
    ok: t('access.invite.ok'),
    fields: { name, email },
    content: [
      name.element,
      email.element,
      h('div', { class: 'field' }, h('label', { for: role.id, text: t('access.role_label') }), role),
    ],
    async run() {
      /** @type {InvitedUser} */
      const user = await sendJson('POST', '/api/users', {
        body: { name: name.input.value, email: email.input.value, role: role.value },
      });
      dialog.setTitle(t('access.invite.done', { name: user.name }));
      fill(body, linkContent(user.invitation, { name: user.name, email: user.email }, dialog.close));
      body.querySelector('input')?.focus();
      onInvited();
    },
  });
  const body = h('div', {}, form.element);
  const dialog = showDialog({
    title: t('access.invite.title'),
    content: [body],
    testid: 'invite-dialog',
    mayClose: () => !form.isBusy(),
  });
  name.input.focus();
}

/**
 * Show a link that a person can use once.
 * @param {OneTimeLink} link
 * @param {{name: string, email: string}} person
 */
export function showLink(link, person) {
  const body = h('div', {});
  const dialog = showDialog({
    title: t('access.link.title', { name: person.name }),
    content: [body],
    testid: 'link-dialog',
  });
  fill(body, linkContent(link, person, dialog.close));
  body.querySelector('input')?.focus();
}

/**
 * @param {OneTimeLink} link
 * @param {{name: string, email: string}} person
 * @param {() => void} close
 */
function linkContent({ link, expires_at: expiresAt, mailed }, { name, email }, close) {
  return h(
    'div',
    { class: 'access-form' },
    h('p', {
      role: 'status',
      data: { testid: 'link-note' },
      text: mailed ? t('access.link.mailed', { email, name }) : t('access.link.not_mailed', { name }),
    }),
    copyLine(t('access.link.label'), link, 'one-time-link'),
    h('p', { class: 'muted', text: t('access.link.valid_until', { time: formatTime(expiresAt) }) }),
    h(
      'div',
      { class: 'access-actions' },
      h('button', {
        class: 'button button-primary',
        type: 'button',
        text: t('access.done'),
        data: { testid: 'link-done' },
        on: { click: close },
      }),
    ),
  );
}
