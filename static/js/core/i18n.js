// The texts of the page in the language of the browser, written in ICU MessageFormat. They are in static/locales, one
// file per language. Modules may use `t` as soon as they run: this one ends when the texts have arrived.

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

/** The browser has loaded these files early; the first one is complete, or the others have what it lacks. */
const CATALOGUES = 'link[data-catalogue]';
// Tests have no page.
const DEFAULT_CATALOGUE = '../../locales/en.json';

/** @type {Record<string, string>} */
const messages = await loadMessages();
/** @type {Map<string, IntlMessageFormat>} */
const formats = new Map();

/** @returns {Promise<Record<string, string>>} */
async function loadMessages() {
  const links = /** @type {HTMLLinkElement[]} */ ([...(globalThis.document?.querySelectorAll(CATALOGUES) ?? [])]);
  const addresses = links.map((link) => link.href);
  if (!addresses.length) addresses.push(new URL(DEFAULT_CATALOGUE, import.meta.url).href);
  const catalogues = await Promise.all(addresses.map(async (address) => (await fetch(address)).json()));
  return Object.assign({}, ...catalogues.reverse());
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
 * Return the text that replaces a sentence of the API. The key ends with a code of the API, so it may be unknown.
 * @param {`${'error' | 'event' | 'failure' | 'field' | 'log' | 'notice' | 'reject'}.${string}`} key
 * @param {Details | null} [details] the facts that the API gives with the code
 * @returns {string | null} null if there is no text, if it needs a detail that an older version of the server has not
 *   stored, or if the page is in English: the sentence of the API says the same then
 */
export function apiText(key, details) {
  const message = LANGUAGE === 'en' ? undefined : messages[key];
  if (message === undefined) return null;
  try {
    return String(formatOf(key, message).format(argumentsOf(details ?? {})));
  } catch {
    return null;
  }
}

/**
 * Return details of the API as arguments. Lists have names and values of a file, which stand in backticks. A value that
 * is null counts as missing.
 * @param {Details} details
 */
function argumentsOf(details) {
  const given = Object.entries(details).filter(([, value]) => value !== null);
  return Object.fromEntries(
    given.map(([name, value]) => [name, Array.isArray(value) ? value.map(quoted).join(', ') : value]),
  );
}

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
