// The form with which people sign in, on its screen and in place when a session has ended.

import { getJson, sendJson } from '../core/api.js';
import { h } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { accessForm } from './access-form.js';
import { passwordField, textField } from './fields.js';

/** @import { Who } from '../core/types.d.ts' */

/** @typedef {{password: boolean, oidc: {name: string} | null, setup: boolean}} SignInMethods */

/** @type {SignInMethods} */
const PASSWORD_ONLY = { password: true, oidc: null, setup: false };
const EMAIL_KEY = 'sign-in-email';
export const PROVIDER_ADDRESS = '/api/session/oidc';

/**
 * Create the form.
 * @param {object} options
 * @param {string} options.email known already, or ""
 * @param {(who: Who) => void} options.onSignedIn
 * @returns {{element: HTMLFormElement, focus: () => void, showProblem: (text: string) => void}}
 */
export function signInForm({ email: knownEmail, onSignedIn }) {
  const email = textField(t('access.email'), {
    type: 'email',
    name: 'email',
    autocomplete: 'username',
    required: true,
    value: knownEmail,
    data: { testid: 'sign-in-email' },
  });
  const password = passwordField(t('access.password.label'), {
    testid: 'sign-in-password',
    autocomplete: 'current-password',
  });
  const form = accessForm({
    testid: 'sign-in',
    ok: t('access.sign_in'),
    fields: { email, password },
    content: [email.element, password.element],
    run: async () => {
      const address = email.input.value.trim();
      if (!address || !password.input.value) {
        const missing = address ? password : email;
        missing.showProblem(address ? t('core.password.missing') : t('access.sign_in_form.email_missing'));
        missing.input.focus();
        return;
      }
      try {
        /** @type {Who} */
        const who = await sendJson('POST', '/api/session', {
          body: { email: address, password: password.input.value },
        });
        rememberEmail(who, address);
        onSignedIn(who);
      } catch (error) {
        password.input.select();
        throw error;
      }
    },
  });
  const focus = () => (email.input.value ? password : email).input.focus();
  return { element: form.element, focus, showProblem: form.showProblem };
}

/**
 * Return how people can sign in. A server without the call knows passwords only.
 * @returns {Promise<SignInMethods>}
 */
export async function fetchMethods() {
  try {
    return await getJson('/api/session/methods');
  } catch {
    return PASSWORD_ONLY;
  }
}

/**
 * Create the link to the sign-in service.
 * @param {string} name of the service
 * @param {Record<string, unknown>} [attributes]
 */
export const providerLink = (name, attributes = {}) =>
  h('a', {
    class: 'button provider-link',
    href: PROVIDER_ADDRESS,
    text: t('access.sign_in_form.with', { name }),
    data: { testid: 'sign-in-provider' },
    ...attributes,
  });

/**
 * Remember the address of a person, so that they need not type it when their session ends.
 * @param {Who} who
 * @param {string} email
 */
export function rememberEmail(who, email) {
  try {
    localStorage.setItem(EMAIL_KEY, JSON.stringify({ id: who.actor.id, email }));
  } catch {
    // Storage may be blocked. The address is then typed again.
  }
}

/** Forget the address: somebody else may use the browser next. */
export function forgetEmail() {
  try {
    localStorage.removeItem(EMAIL_KEY);
  } catch {
    // Storage may be blocked, and then holds nothing.
  }
}

/**
 * Return the address with which a person has signed in; "" if it is not known.
 * @param {Who | null} who
 * @returns {string}
 */
export function rememberedEmail(who) {
  try {
    const { id, email } = JSON.parse(localStorage.getItem(EMAIL_KEY) ?? '{}');
    return who && id === who.actor.id && typeof email === 'string' ? email : '';
  } catch {
    return '';
  }
}
