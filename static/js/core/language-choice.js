// The choice of the language in the footer. A cookie keeps it, because the server chooses the language of the page.

import { elementById } from './dom.js';

/** The same name as in api/pages.py. */
const COOKIE = 'acme_language';
const YEAR_S = 365 * 86_400;

/** Let a choice take effect: the page is loaded again, in that language. */
export function installLanguageChoice() {
  const select = /** @type {HTMLSelectElement} */ (elementById('language'));
  select.addEventListener('change', () => {
    // The language of the browser needs no cookie.
    const seconds = select.value ? YEAR_S : 0;
    // eslint-disable-next-line page/no-untranslated-text -- attributes of the cookie
    document.cookie = `${COOKIE}=${select.value}; Path=/; Max-Age=${seconds}; SameSite=Lax`;
    window.location.reload();
  });
}
