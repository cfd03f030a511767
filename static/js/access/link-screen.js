// The screen of a one-time link: #/invitation/<token> and #/reset/<token>. The person chooses a password.

import { hasStatus, messageOf, nextStep, sendJson } from '../core/api.js';
import { buildBanner } from '../core/banner.js';
import { fill, h } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { redirect, replaceAddress } from '../core/router.js';
import { setWho, tellOtherTabs } from '../core/session.js';
import { emptyState } from '../core/widgets.js';
import { accessForm } from './access-form.js';
import { loadingRows, narrowCard } from './cards.js';
import { newPasswordField } from './fields.js';
import { rememberEmail } from './sign-in-form.js';

/** @import { Screen } from '../core/router.js' */
/** @import { LinkDetails, Who } from '../core/types.d.ts' */

const TEXTS = {
  invitation: { title: t('access.link.welcome'), ok: t('access.link.set_password') },
  reset: { title: t('access.link.choose_password'), ok: t('access.link.set_password') },
};

/** @param {'invitation' | 'reset'} purpose @returns {Screen} */
export const linkScreen = (purpose) => ({
  mount(root, { params }) {
    const { title, ok } = TEXTS[purpose];
    document.title = t('common.page_title', { name: title });
    const token = params.token ?? '';
    // Nobody who looks at the screen or the history later shall be able to use the link.
    if (token) replaceAddress(`#/${purpose}`);
    const body = h('div', { class: 'access-form' }, loadingRows());
    root.append(narrowCard(title, body));

    async function load() {
      try {
        show(await sendJson('POST', '/api/account/link', { body: { token } }));
      } catch (error) {
        if (hasStatus(error, 404) || hasStatus(error, 400)) return showUnusable();
        fill(
          body,
          buildBanner({
            title: messageOf(error),
            detail: nextStep(error),
            action: { label: t('common.try_again'), run: load },
          }),
        );
      }
      return undefined;
    }

    function showUnusable() {
      const state = emptyState({
        shape: 'key',
        title: token ? t('access.link.unusable') : t('access.link.incomplete'),
        detail: token ? t('access.link.unusable_hint') : t('access.link.incomplete_hint'),
        action: h('a', { class: 'button', href: '#/sign-in', text: t('access.sign_in') }),
      });
      state.dataset.testid = 'link-unusable';
      fill(body, state);
    }

    /** @param {LinkDetails} details */
    function show({ name, email }) {
      const password = newPasswordField(t('access.password.new'), () => [name, email]);
      const form = accessForm({
        testid: 'link',
        ok,
        fields: { password },
        content: [
          h(
            'p',
            { class: 'link-person' },
            h('strong', { text: name, dir: 'auto' }),
            h('span', { class: 'muted', text: email }),
          ),
          // Password managers store the password under this address.
          h('input', { type: 'hidden', name: 'username', autocomplete: 'username', value: email }),
          password.element,
        ],
        async run() {
          if (!password.isGood()) return;
          try {
            /** @type {Who} */
            const who = await sendJson('POST', '/api/account/password', {
              body: { token, password: password.input.value },
            });
            rememberEmail(who, email);
            setWho(who);
            tellOtherTabs();
            redirect('#/import');
          } catch (error) {
            if (!hasStatus(error, 404)) throw error;
            showUnusable();
          }
        },
      });
      fill(body, form.element);
      password.input.focus();
    }
    load();
    return {};
  },
});
