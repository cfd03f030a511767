// The options of an import: as selects, and in words.

import { h } from '../core/dom.js';

export const MODES = { upsert: 'Create and update', create: 'Only create new', update: 'Only update existing' };
export const ON_REJECT = { skip: 'Set aside', fail: 'All or nothing' };

const DELIMITERS = { ',': 'Comma', ';': 'Semicolon', '\t': 'Tab', '|': 'Vertical bar' };
const QUOTES = {
  '"': 'Double quotes',
  "'": 'Single quotes',
  none: 'None',
  '\\"': 'Double quotes, \\" within',
  "\\'": "Single quotes, \\' within",
};
const ENCODINGS = {
  'utf-8': 'UTF-8',
  'utf-16': 'UTF-16',
  cp1252: 'Windows-1252 (Western)',
  cp1250: 'Windows-1250 (Central European)',
  cp1251: 'Windows-1251 (Cyrillic)',
  cp1253: 'Windows-1253 (Greek)',
  cp1254: 'Windows-1254 (Turkish)',
  'iso-8859-1': 'ISO 8859-1 (Latin 1)',
  'iso-8859-15': 'ISO 8859-15 (Latin 9)',
  cp437: 'DOS 437',
  mac_roman: 'Mac OS Roman',
  shift_jis: 'Shift JIS (Japanese)',
  gb18030: 'GB 18030 (Chinese)',
  big5: 'Big5 (Chinese)',
  euc_kr: 'EUC-KR (Korean)',
};
const PACKINGS = { none: 'not packed', gzip: 'gzip', zip: 'zip archive' };

const LABELS = {
  mode: 'Products',
  on_reject: 'Bad rows',
  delimiter: 'Delimiter',
  quote: 'Quotes',
  encoding: 'Encoding',
};
/** Options that say how the file is read. */
export const FORMAT_OPTIONS = new Set(['delimiter', 'quote', 'encoding']);
const CHOICES = { mode: MODES, on_reject: ON_REJECT, delimiter: DELIMITERS, quote: QUOTES, encoding: ENCODINGS };

/** @param {string} delimiter @returns {string} */
export const delimiterName = (delimiter) => DELIMITERS[delimiter] ?? `“${delimiter}”`;

/** @param {string} encoding as the API names it @returns {string} */
export function encodingName(encoding) {
  if (/^utf-?8-sig$/i.test(encoding)) return 'UTF-8 with a byte order mark';
  const key = Object.keys(ENCODINGS).find((name) => plain(name) === plain(encoding));
  if (key) return ENCODINGS[key];
  return /^(utf|cp|iso)/i.test(encoding) ? encoding.toUpperCase().replace('_', '-') : encoding;
}

const lowerFirst = (text) => text[0].toLowerCase() + text.slice(1);
const plain = (name) => name.toLowerCase().replace(/[^a-z0-9]/g, '');

/** @param {string} packing @returns {string} */
export const packingName = (packing) => PACKINGS[packing] ?? packing;

/** @param {{quote: string, escaped: boolean}} file @returns {string} as an option has it */
const quoteOption = ({ quote, escaped }) => (quote ? (escaped ? '\\' : '') + quote : 'none');

/** @param {{quote: string, escaped: boolean}} file @returns {string} */
export const describeQuoting = (file) =>
  file.quote ? `fields quoted with ${file.quote}${file.escaped ? `, ${quoteOption(file)} within` : ''}` : 'no quotes';

const WORDS = { delimiter: delimiterName, quote: (option) => QUOTES[option] ?? option, encoding: encodingName };

/**
 * @param {object|null} file as the API describes it
 * @returns {Record<string, string>} what was found in it, in words
 */
export const describeDetected = (file) =>
  file
    ? {
        delimiter: WORDS.delimiter(file.delimiter),
        quote: WORDS.quote(quoteOption(file)),
        encoding: WORDS.encoding(file.encoding),
      }
    : {};

/**
 * One option as a select with its label.
 * @param {'mode'|'on_reject'|'delimiter'|'quote'|'encoding'} name
 * @param {object} settings
 * @param {string} settings.value "" for what is found from the file
 * @param {string} [settings.found] what was found, in words
 * @param {(value: string) => void} settings.onChange
 * @returns {HTMLElement}
 */
export function createOptionField(name, { value, found, onChange }) {
  const choices = Object.entries(CHOICES[name]);
  if (FORMAT_OPTIONS.has(name)) choices.unshift(['', found ? `${found.replace(/ \(.*\)/, '')} (found)` : 'Automatic']);
  // What was asked for by another client may not be among the choices.
  if (!choices.some(([key]) => key === value)) choices.push([value, WORDS[name]?.(value) ?? value]);
  const select = h(
    'select',
    { class: 'input', data: { testid: `option-${name}` }, on: { change: () => onChange(select.value) } },
    choices.map(([key, text]) => h('option', { value: key, text, selected: key === value })),
  );
  return h('label', { class: 'field' }, h('span', { text: LABELS[name] }), select);
}

/**
 * What was asked for, in words; what is the default is left out, except for the mode.
 * @param {object|null} options of a job
 * @returns {string}
 */
export function describeOptions(options) {
  if (!options) return '–';
  const parts = [MODES[options.mode] ?? options.mode];
  if (options.on_reject === 'fail') parts.push('all or nothing');
  if (options.delimiter) parts.push(`${delimiterName(options.delimiter).toLowerCase()} as delimiter`);
  if (options.quote) parts.push(options.quote === 'none' ? 'no quotes' : lowerFirst(WORDS.quote(options.quote)));
  if (options.encoding) parts.push(encodingName(options.encoding));
  if (options.mapping) parts.push('columns chosen by hand');
  return parts.join(' · ');
}
