// The sign-in screen: #/sign-in?next=<address>. After signing in, the page goes to that address.

import { h } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { redirect } from '../core/router.js';
import { setWho, tellOtherTabs } from '../core/session.js';
import { narrowCard } from './cards.js';
import { fetchMethods, providerLink, signInForm } from './sign-in-form.js';

/** @import { Screen } from '../core/router.js' */

const NEXT_KEY = 'address-after-sign-in';
const HOME = '#/import';

/** Why a sign-in service did not sign a person in. The address has the code only: anybody can write a link. */
const ERROR_CODES = /** @type {const} */ ([
  'oidc_unreachable',
  'oidc_misconfigured',
  'oidc_invalid_answer',
  'oidc_state_expired',
  'oidc_denied',
  'oidc_no_role',
  'oidc_disabled',
  'oidc_no_email',
  'oidc_email_taken',
  'oidc_first_administrator',
  'oidc_last_administrator',
]);
const UNKNOWN_ERROR = t('access.sign_in_error.unknown');

/**
 * Return the sentence for an error code of the address.
 * @param {string} code
 */
export function describeSignInError(code) {
  const known = ERROR_CODES.find((name) => name === code);
  return known ? t(`access.sign_in_error.${known}`) : UNKNOWN_ERROR;
}

/**
 * Return the address of the sign-in screen that leads back to another one.
 * @param {string} address
 */
export const signInAddress = (address) =>
  /^#\/./.test(address) && !address.startsWith('#/sign-in')
    ? `#/sign-in?${new URLSearchParams({ next: address })}`
    : '#/sign-in';

/**
 * Return the address to go to after signing in. Only addresses of this page count: the link may come from anybody.
 * @param {string | null} next
 */
export const addressAfter = (next) => (next && /^#\/./.test(next) && !next.startsWith('#/sign-in') ? next : HOME);

/** @type {Screen} */
export const signInScreen = {
  mount(root, { query }) {
    document.title = t('common.page_title', { name: t('access.sign_in') });
    const next = addressAfter(query.get('next'));
    const form = signInForm({
      email: '',
      onSignedIn(who) {
        setWho(who);
        tellOtherTabs();
        redirect(next);
      },
    });
    const others = h('div', { class: 'sign-in-others', hidden: true });
    root.append(
      narrowCard(
        t('access.sign_in'),
        form.element,
        others,
        h('p', {
          class: 'muted',
          text: t('access.sign_in_form.forgot'),
        }),
      ),
    );
    const code = query.get('error');
    if (code) form.showProblem(describeSignInError(code));
    form.focus();
    let isMounted = true;
    fetchMethods().then((methods) => {
      if (!isMounted) return;
      others.hidden = !methods.oidc && !methods.setup;
      if (methods.oidc) {
        others.append(
          h('p', { class: 'or', text: t('access.or') }),
          providerLink(methods.oidc.name, { on: { click: () => rememberNext(next) } }),
        );
      }
      if (methods.setup) {
        others.append(
          h('p', {
            data: { testid: 'sign-in-setup' },
            text: t('access.sign_in_form.setup'),
          }),
        );
      }
      // Those who sign in with a service only have no password here.
      form.element.hidden = !methods.password && methods.oidc !== null;
    });
    return {
      unmount() {
        isMounted = false;
      },
    };
  },
};

/**
 * Remember where to go. The sign-in service leads back to the start of the page.
 * @param {string} next
 */
function rememberNext(next) {
  try {
    sessionStorage.setItem(NEXT_KEY, next);
  } catch {
    // Storage may be blocked. The page then starts at its first screen.
  }
}

/** Return where to go after a sign-in service, once; "" if there is no such address. */
export function takeNext() {
  try {
    const next = sessionStorage.getItem(NEXT_KEY);
    sessionStorage.removeItem(NEXT_KEY);
    return next ? addressAfter(next) : '';
  } catch {
    return '';
  }
}
