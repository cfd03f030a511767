// The options of an import: as form fields, and described for people.

import { h } from '../core/dom.js';

/** @import { ImportFile, ImportOptions } from '../core/types.d.ts' */
/** @import { OptionName } from './upload-settings.js' */

/** @typedef {Record<string, string | undefined>} Labels Labels by the value that the API uses. */

/** @type {Labels} */
const MODES = { upsert: 'Create and update', create: 'Only create new', update: 'Only update existing' };
/** @type {Labels} */
const ON_REJECT = { skip: 'Set aside', fail: 'All or nothing' };

/** @type {Labels} */
const DELIMITERS = { ',': 'Comma', ';': 'Semicolon', '\t': 'Tab', '|': 'Vertical bar' };
/** @type {Labels} */
const QUOTES = {
  '"': 'Double quotes',
  "'": 'Single quotes',
  none: 'None',
  '\\"': 'Double quotes, \\" within',
  "\\'": "Single quotes, \\' within",
};
/** @type {Labels} */
const ENCODINGS = {
  'utf-8': 'UTF-8',
  'utf-16': 'UTF-16',
  cp1252: 'Windows-1252 (Western European)',
  cp1250: 'Windows-1250 (Central European)',
  cp1251: 'Windows-1251 (Cyrillic)',
  cp1253: 'Windows-1253 (Greek)',
  cp1254: 'Windows-1254 (Turkish)',
  'iso-8859-1': 'ISO 8859-1 (Latin 1)',
  'iso-8859-2': 'ISO 8859-2 (Central European)',
  'iso-8859-15': 'ISO 8859-15 (Latin 9)',
  cp437: 'DOS 437',
  cp850: 'DOS 850 (Western European)',
  cp852: 'DOS 852 (Central European)',
  cp866: 'DOS 866 (Cyrillic)',
  mac_roman: 'Mac OS Roman (Western European)',
  mac_cyrillic: 'Mac OS Cyrillic',
  'koi8-r': 'KOI8-R (Cyrillic)',
  shift_jis: 'Shift JIS (Japanese)',
  euc_jp: 'EUC-JP (Japanese)',
  gb18030: 'GB 18030 (Chinese)',
  big5: 'Big5 (Chinese)',
  euc_kr: 'EUC-KR (Korean)',
};
/** @type {Labels} */
const PACKINGS = { none: 'uncompressed', gzip: 'gzip', zip: 'zip archive' };

/** @type {Record<OptionName, string>} */
const LABELS = {
  mode: 'Products',
  on_reject: 'Bad rows',
  delimiter: 'Delimiter',
  quote: 'Quotes',
  encoding: 'Encoding',
};
/** @type {Record<OptionName, Labels>} */
const CHOICES = { mode: MODES, on_reject: ON_REJECT, delimiter: DELIMITERS, quote: QUOTES, encoding: ENCODINGS };

/** The options that change how the file is parsed, and therefore which columns it has. */
export const FORMAT_OPTIONS = new Set(['delimiter', 'quote', 'encoding']);

/**
 * Return the name of a delimiter.
 * @param {string} delimiter
 */
export const delimiterName = (delimiter) => DELIMITERS[delimiter] ?? `“${delimiter}”`;

/**
 * Return the name of an encoding.
 * @param {string} encoding in any of the spellings of Python; `utf-8+cp1252` if the rows of a file have both
 * @returns {string}
 */
export function encodingName(encoding) {
  if (encoding.includes('+')) return encoding.split('+').map(encodingName).join(' and ');
  if (/^utf-?8-sig$/i.test(encoding)) return 'UTF-8 with a byte order mark';
  const known = Object.entries(ENCODINGS).find(([name]) => normalized(name) === normalized(encoding));
  if (known?.[1]) return known[1];
  return /^(utf|cp|iso)/i.test(encoding) ? encoding.toUpperCase().replace('_', '-') : encoding;
}

/** @param {string} encoding */
const normalized = (encoding) => encoding.toLowerCase().replace(/[^a-z0-9]/g, '');

/**
 * Return the name of a compression format.
 * @param {ImportFile['packing']} packing
 */
export const packingName = (packing) => PACKINGS[packing] ?? packing;

/**
 * Return the value of the option "quote" that corresponds to what was detected in a file.
 * @param {Pick<ImportFile, 'quote' | 'escaped'>} file
 */
const quoteOption = ({ quote, escaped }) => (quote ? (escaped ? '\\' : '') + quote : 'none');

/**
 * Describe how the fields of a file are quoted.
 * @param {Pick<ImportFile, 'quote' | 'escaped'>} file
 */
export const describeQuoting = (file) =>
  file.quote ? `fields quoted with ${file.quote}${file.escaped ? `, ${quoteOption(file)} within` : ''}` : 'no quotes';

/** @param {string} option */
const quoteName = (option) => QUOTES[option] ?? option;

/**
 * Return the label of an option's value. Clients of the API can set values that are not among the choices.
 * @param {OptionName} name
 * @param {string} value
 */
function valueLabel(name, value) {
  if (name === 'delimiter') return delimiterName(value);
  if (name === 'encoding') return encodingName(value);
  return CHOICES[name][value] ?? value;
}

/**
 * Return the labels of the format options that were detected in a file.
 * @param {Pick<ImportFile, 'delimiter' | 'quote' | 'escaped' | 'encoding'> | null} file
 * @returns {Partial<Record<OptionName, string>>}
 */
export const describeDetected = (file) =>
  file
    ? {
        delimiter: delimiterName(file.delimiter),
        quote: quoteName(quoteOption(file)),
        encoding: encodingName(file.encoding),
      }
    : {};

/**
 * Create the select of an option with its label.
 * @param {OptionName} name
 * @param {object} settings
 * @param {string} settings.value "" to detect the option from the file
 * @param {string} [settings.detected] the label of what was detected
 * @param {(value: string) => void} settings.onChange
 * @returns {HTMLElement}
 */
export function createOptionField(name, { value, detected, onChange }) {
  const choices = Object.entries(CHOICES[name]);
  if (FORMAT_OPTIONS.has(name)) {
    choices.unshift(['', detected ? `${detected.replace(/ \(.*\)/, '')} (found)` : 'Automatic']);
  }
  if (!choices.some(([key]) => key === value)) choices.push([value, valueLabel(name, value)]);
  /** @type {HTMLSelectElement} */
  const select = h(
    'select',
    { class: 'input', data: { testid: `option-${name}` }, on: { change: () => onChange(select.value) } },
    choices.map(([key, text]) => h('option', { value: key, text, selected: key === value })),
  );
  return h('label', { class: 'field' }, h('span', { text: LABELS[name] }), select);
}

/**
 * Describe the options of an import. Defaults are left out, except for the mode.
 * @param {ImportOptions} options
 */
export function describeOptions(options) {
  const parts = [MODES[options.mode] ?? options.mode];
  if (options.on_reject === 'fail') parts.push('all or nothing');
  if (options.delimiter) parts.push(`${delimiterName(options.delimiter).toLowerCase()} as delimiter`);
  if (options.quote) parts.push(options.quote === 'none' ? 'no quotes' : lowerFirst(quoteName(options.quote)));
  if (options.encoding) parts.push(encodingName(options.encoding));
  if (options.mapping) parts.push('columns chosen by hand');
  return parts.join(' · ');
}

/** @param {string} text */
const lowerFirst = (text) => text.charAt(0).toLowerCase() + text.slice(1);
