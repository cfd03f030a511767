// The sign-in screen: #/sign-in?next=<address>. After signing in, the page goes to that address.

import { h } from '../core/dom.js';
import { redirect } from '../core/router.js';
import { setWho, tellOtherTabs } from '../core/session.js';
import { narrowCard } from './cards.js';
import { fetchMethods, providerLink, signInForm } from './sign-in-form.js';

/** @import { Screen } from '../core/router.js' */

const NEXT_KEY = 'address-after-sign-in';
const HOME = '#/import';

/** Why a sign-in service did not sign a person in. The address has the code only: anybody can write a link. */
/** @type {Record<string, string | undefined>} */
const ERRORS = {
  oidc_unreachable: 'The sign-in service does not answer. Try again in a few minutes.',
  oidc_misconfigured:
    'The sign-in service refuses to work with this product. Ask an administrator to check the settings and the log.',
  oidc_invalid_answer:
    'The sign-in service sent an invalid answer. Try again, and tell an administrator if it happens again.',
  oidc_state_expired: 'This sign-in took too long or was used already. Start again.',
  oidc_denied: 'The sign-in was cancelled.',
  oidc_no_role: 'You have no role here. Ask an administrator for one.',
  oidc_disabled: 'Your account is disabled. Ask an administrator.',
  oidc_no_email: 'The sign-in service does not tell your email address. Ask an administrator to allow it.',
  oidc_email_taken: 'Another account here has your email address. Sign in with its password, or ask an administrator.',
  oidc_first_administrator: 'The first person must be an administrator. Ask for that role at the sign-in service.',
  oidc_last_administrator:
    'You are the last administrator here, and the sign-in service gives you a smaller role. ' +
    'Make somebody else an administrator first.',
};
const UNKNOWN_ERROR = 'The sign-in failed. Try again.';

/**
 * Return the sentence for an error code of the address.
 * @param {string} code
 */
export const describeSignInError = (code) => (Object.hasOwn(ERRORS, code) && ERRORS[code]) || UNKNOWN_ERROR;

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
    document.title = 'Sign in · Acme Product Importer';
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
        'Sign in',
        form.element,
        others,
        h('p', {
          class: 'muted',
          text: 'Forgot your password? An administrator can give you a link to choose a new one.',
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
          h('p', { class: 'or', text: 'or' }),
          providerLink(methods.oidc.name, { on: { click: () => rememberNext(next) } }),
        );
      }
      if (methods.setup) {
        others.append(
          h('p', {
            data: { testid: 'sign-in-setup' },
            text:
              'Nobody has an account yet. Open the link that the server printed when it started, ' +
              'to create the first administrator.',
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
