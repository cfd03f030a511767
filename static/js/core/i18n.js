// The texts of the page in the language of the browser, written in ICU MessageFormat. They are in static/locales, one
// file per language; the server sends those of the first screen apart from the others (api/texts.py). Modules may use
// `t` as soon as they run: this one ends when the first texts have arrived.

import { IntlMessageFormat } from '../../vendor/intl-messageformat.js';
import { LANGUAGE, LOCALE } from './locale.js';

/** @import { Messages } from './message-types.d.ts' */

/** @typedef {string | Node} Part of a text that has elements in it */
/** @typedef {(parts: Part[]) => Part} Tag returns an element around a part of a text, such as a link */

/** @typedef {Record<string, any>} Details named values that the API gives with a code */

/** @typedef {keyof Messages} MessageKey */
/**
 * The arguments of a message, none if it takes none.
 * @template {MessageKey} Key
 * @typedef {Messages[Key] extends null ? [] : [Messages[Key]]} Arguments
 */
/**
 * The arguments of a message that becomes elements: instead of a text, an argument may be a node.
 * @template {MessageKey} Key
 * @typedef {{[Name in keyof Messages[Key]]: string extends Messages[Key][Name] ? Messages[Key][Name] | Node :
 *   Messages[Key][Name]}} RichArguments
 */

/** @typedef {'error' | 'event' | 'failure' | 'field' | 'fix' | 'log' | 'notice' | 'reject' | 'sample'} ApiPrefix */

/** The browser has loaded these files early; the first one is complete, or the others have what it lacks. */
const FIRST_TEXTS = 'link[data-texts="first"]';
const OTHER_TEXTS = 'link[data-texts="other"]';
// Tests have no page.
const DEFAULT_CATALOGUE = '../../locales/en.json';

/** @type {Record<string, string>} */
const messages = {};
/** @type {Map<string, IntlMessageFormat>} */
const formats = new Map();
/** @type {Promise<void> | null} */
let others = null;

try {
  await load(addressesOf(FIRST_TEXTS, [new URL(DEFAULT_CATALOGUE, import.meta.url).href]));
} catch (error) {
  // Nothing of the page runs without texts. The script of the HTML tells (early.js).
  document.dispatchEvent(new Event('textsmissing'));
  throw error;
}

/**
 * Load the texts that the first screen does not need. Parts of the page that are loaded later need them.
 * @returns {Promise<void>} rejects if the server does not have these texts any more
 */
export function loadMoreTexts() {
  others ??= load(addressesOf(OTHER_TEXTS, []));
  others.catch(() => {
    others = null;
  });
  return others;
}

/**
 * @param {string} selector
 * @param {string[]} fallback
 * @returns {string[]}
 */
function addressesOf(selector, fallback) {
  const links = /** @type {HTMLLinkElement[]} */ ([...(globalThis.document?.querySelectorAll(selector) ?? [])]);
  return links.length ? links.map((link) => link.href) : fallback;
}

/** @param {string[]} addresses the texts of an earlier one count */
async function load(addresses) {
  const catalogues = await Promise.all(addresses.map(loadCatalogue));
  Object.assign(messages, ...catalogues.reverse());
}

/**
 * @param {string} address
 * @returns {Promise<Record<string, string>>}
 */
async function loadCatalogue(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${response.status}: ${address}`);
  return response.json();
}

/**
 * Return the text of a message.
 * @type {<Key extends MessageKey>(key: Key, ...args: Arguments<Key>) => string}
 */
export const t = (key, ...[args]) => {
  const message = messages[key] ?? key;
  // Most messages are plain texts, which need no parser.
  return args ? String(formatOf(key, message).format(/** @type {Record<string, string>} */ (args))) : message;
};

/**
 * Return the text that replaces a sentence of the API. The key ends with a code of the API, so it may be unknown. Never
 * throws.
 * @param {`${ApiPrefix}.${string}`} key
 * @param {Details | null} [details] the facts that the API gives with the code
 * @returns {string | null} null if there is no text, if it needs a detail that is not there, or if the page is in
 *   English: the sentence of the API says the same then
 */
export function apiText(key, details) {
  const message = LANGUAGE === 'en' ? undefined : messages[key];
  // A message without arguments needs no parser.
  if (!message?.includes('{')) return message ?? null;
  try {
    return String(formatOf(key, message).format(argumentsOf(details ?? {})));
  } catch {
    // A value is missing: an older version stored the object, or a newer one sent it.
    return null;
  }
}

/**
 * Return details of the API as arguments. Lists have names and values of a file, which stand in backticks. Objects, and
 * values that are null, count as missing.
 * @param {Details} details
 */
function argumentsOf(details) {
  const given = Object.entries(details).filter(([, value]) => Array.isArray(value) || isPlain(value));
  return Object.fromEntries(
    given.map(([name, value]) => [name, Array.isArray(value) ? value.map(quoted).join(', ') : value]),
  );
}

/** @param {unknown} value */
const isPlain = (value) => ['string', 'number', 'boolean'].includes(typeof value);

/** @param {string} item of a list */
const quoted = (item) => (item ? `\`${item}\`` : t('core.list.empty_item'));

/**
 * Return a message as the children of an element: `<name>…</name>` in it becomes what the argument `name` returns, and
 * an argument may be a node.
 * @template {MessageKey} Key
 * @param {Key} key
 * @param {RichArguments<Key>} args
 * @returns {Part[]}
 */
export function tRich(key, args) {
  const values = /** @type {Record<string, string | Node | Tag>} */ (/** @type {unknown} */ (args));
  const parts = formatOf(key, messages[key] ?? key).format(values);
  return /** @type {Part[]} */ (Array.isArray(parts) ? parts : [parts]);
}

/**
 * @param {string} key
 * @param {string} message
 */
function formatOf(key, message) {
  let format = formats.get(key);
  if (!format) {
    format = new IntlMessageFormat(message, LOCALE);
    formats.set(key, format);
  }
  return format;
}
