// The first setup: #/setup/<token> with the link that the server prints, or #/setup on the machine of the server.

import { sendJson } from '../core/api.js';
import { h } from '../core/dom.js';
import { redirect, replaceAddress } from '../core/router.js';
import { currentWho, isLocal, setWho, tellOtherTabs } from '../core/session.js';
import { fetchWho } from '../core/api.js';
import { accessForm } from './access-form.js';
import { narrowCard } from './cards.js';
import { newPasswordField, textField } from './fields.js';
import { rememberEmail } from './sign-in-form.js';

/** @import { Screen } from '../core/router.js' */

/** @type {Screen} */
export const setupScreen = {
  mount(root, { params }) {
    document.title = 'Set up accounts · Acme Product Importer';
    const token = params.token ?? '';
    if (token) replaceAddress('#/setup');
    if (currentWho() && !isLocal()) {
      root.append(
        narrowCard(
          'Accounts are set up',
          h('p', { text: 'The first administrator exists already. Administrators invite other people.' }),
          h('p', {}, h('a', { class: 'button', href: '#/products', text: 'See the products' })),
        ),
      );
      return {};
    }
    if (!token && !isLocal()) {
      root.append(
        narrowCard(
          'Set up accounts',
          h('p', {
            text:
              'The first administrator needs the link that the server prints when it starts. It is valid for one ' +
              'hour; restart the server for a new one.',
          }),
          h('p', {}, h('a', { class: 'button', href: '#/sign-in', text: 'Sign in' })),
        ),
      );
      return {};
    }
    const name = textField('Name', { autocomplete: 'name', autocapitalize: 'words', data: { testid: 'setup-name' } });
    const email = textField('Email', {
      type: 'email',
      name: 'email',
      autocomplete: 'username',
      data: { testid: 'setup-email' },
    });
    const password = newPasswordField('Password', () => [name.input.value, email.input.value]);
    const form = accessForm({
      testid: 'setup',
      ok: 'Create the administrator',
      fields: { name, email, password },
      content: [name.element, email.element, password.element],
      async run() {
        if (!password.isGood()) return;
        await sendJson('POST', '/api/setup', {
          body: { token, name: name.input.value, email: email.input.value, password: password.input.value },
        });
        const who = await fetchWho();
        if (who) {
          rememberEmail(who, email.input.value.trim());
          setWho(who);
          tellOtherTabs();
        }
        redirect('#/people');
      },
    });
    root.append(
      narrowCard(
        'Create the first administrator',
        h('p', {
          class: 'muted',
          text: isLocal()
            ? 'So far everyone on this machine may do everything. Once there is an administrator, everyone signs in, ' +
              'and you can invite people. This cannot be undone.'
            : 'You can invite other people afterwards.',
        }),
        form.element,
      ),
    );
    name.input.focus();
    return {};
  },
};
