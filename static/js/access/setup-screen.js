// The first setup: #/setup/<token> with the link that the server prints, or #/setup on the machine of the server.

import { sendJson } from '../core/api.js';
import { h } from '../core/dom.js';
import { t } from '../core/i18n.js';
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
    document.title = t('common.page_title', { name: t('access.set_up') });
    const token = params.token ?? '';
    if (token) replaceAddress('#/setup');
    if (currentWho() && !isLocal()) {
      root.append(
        narrowCard(
          t('access.setup.is_set_up'),
          h('p', { text: t('access.setup.exists') }),
          h('p', {}, h('a', { class: 'button', href: '#/products', text: t('access.see_products') })),
        ),
      );
      return {};
    }
    if (!token && !isLocal()) {
      root.append(
        narrowCard(
          t('access.set_up'),
          h('p', {
            text: t('access.setup.needs_link'),
          }),
          h('p', {}, h('a', { class: 'button', href: '#/sign-in', text: t('access.sign_in') })),
        ),
      );
      return {};
    }
    const name = textField(t('access.name'), {
      autocomplete: 'name',
      autocapitalize: 'words',
      data: { testid: 'setup-name' },
    });
    const email = textField(t('access.email'), {
      type: 'email',
      name: 'email',
      autocomplete: 'username',
      data: { testid: 'setup-email' },
    });
    const password = newPasswordField(t('access.password.label'), () => [name.input.value, email.input.value]);
    const form = accessForm({
      testid: 'setup',
      ok: t('access.setup.ok'),
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
        t('access.setup.title'),
        h('p', {
          class: 'muted',
          text: isLocal() ? t('access.setup.consequence') : t('access.setup.invite_later'),
        }),
        form.element,
      ),
    );
    name.input.focus();
    return {};
  },
};
