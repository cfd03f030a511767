// What runs before everything else: the theme, and the requests of the first screen, so that they do not wait for the
// modules. The bundle has it as a script that the server puts into the HTML (api/pages.py). Without a bundle, the page
// does without these requests.

import './core/theme-early.js';
import { queryString } from './core/query-string.js';
import { listParameters } from './products/query.js';

const TIMEOUT_MS = 30_000;
const DOCS_PATH = '/api/docs';
const PRODUCTS = /^#\/products(?:\/\d+)?(?:\?(?<query>.*))?$/;
const OWN_FILES = `${window.location.origin}/static/`;
const RELOADED_KEY = 'reloaded-at';
const RELOAD_GAP_MS = 30_000;
const RELOAD_DELAY_MS = 1_000;

/** @type {Map<string, Promise<Answer>>} */
const answers = new Map();
window.earlyAnswers = answers;

/** @param {string} address */
function ask(address) {
  const request = { headers: { Accept: 'application/json' }, signal: AbortSignal.timeout(TIMEOUT_MS) };
  const cache = address.endsWith('.json') ? 'default' : 'no-store';
  const answer = fetch(address, { ...request, cache }).then((response) => ({ response, arrivedAt: Date.now() }));
  // The code that takes the answer handles its failure.
  answer.catch(() => {});
  answers.set(address, answer);
}

/** Load what the first screen needs beside the products, at once instead of after it. */
function loadLaterParts() {
  for (const link of /** @type {NodeListOf<HTMLLinkElement>} */ (document.querySelectorAll('link[data-later]'))) {
    link.rel = link.dataset.later ?? '';
  }
}

/**
 * A file of this version is missing: the server was updated while the page was loading. Load the page again, which then
 * is that of the new version. If this has just happened, say so instead.
 */
function recover() {
  try {
    const now = Date.now();
    if (now - Number(sessionStorage.getItem(RELOADED_KEY)) > RELOAD_GAP_MS) {
      sessionStorage.setItem(RELOADED_KEY, String(now));
      setTimeout(() => window.location.reload(), RELOAD_DELAY_MS);
      return;
    }
  } catch {
    // Storage may be blocked. A reload could then follow another without end.
  }
  const show = () => document.getElementById('not-loaded')?.removeAttribute('hidden');
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', show);
  else show();
}

/**
 * Return whether an element that could not be loaded is a script or the styles of the page itself.
 * @param {EventTarget | null} element
 */
function isNeeded(element) {
  if (element instanceof HTMLScriptElement) return element.src.startsWith(OWN_FILES);
  return element instanceof HTMLLinkElement && element.rel === 'stylesheet' && element.href.startsWith(OWN_FILES);
}

addEventListener('error', ({ target }) => isNeeded(target) && recover(), true);
// The texts could not be loaded (core/i18n.js).
document.addEventListener('textsmissing', recover);

ask('/api/session');
if (window.location.pathname === DOCS_PATH) {
  ask('/api/openapi.json');
} else {
  const shown = PRODUCTS.exec(window.location.hash);
  if (shown) ask(`/api/products${queryString(listParameters(new URLSearchParams(shown.groups?.query)))}`);
  else loadLaterParts();
}
