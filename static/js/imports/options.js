// The options of an import in words, and as the API takes them.

import { formatCount, formatShare } from '../core/format.js';
import { usedOptions } from './upload-settings.js';

/** @import { ImportFile, ImportOptions, RetryOptions } from '../core/types.d.ts' */
/** @import { OptionName, UploadOptions } from './upload-settings.js' */

/** @typedef {Record<string, string | undefined>} Labels Labels by the value that the API uses. */

/** @type {Labels} */
const MODES = { upsert: 'Create and update', create: 'Only create new', update: 'Only update existing' };
/** @type {Labels} */
const ON_REJECT = { skip: 'Set aside', fail: 'All or nothing' };
/** @type {Labels} */
const SHORT_ROWS = { reject: 'Set aside', accept: 'Accept' };
/** @type {Labels} */
const MISSING = { keep: 'Keep', deactivate: 'Deactivate', delete: 'Delete' };

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
  cp1252: 'Windows-1252 (Western)',
  cp1250: 'Windows-1250 (Central European)',
  cp1251: 'Windows-1251 (Cyrillic)',
  cp1253: 'Windows-1253 (Greek)',
  cp1254: 'Windows-1254 (Turkish)',
  'iso-8859-1': 'ISO 8859-1 (Latin 1)',
  'iso-8859-15': 'ISO 8859-15 (Latin 9)',
  'iso-8859-2': 'ISO 8859-2 (Central European)',
  'koi8-r': 'KOI8-R (Cyrillic)',
  cp437: 'DOS 437',
  cp850: 'DOS 850 (Western)',
  mac_roman: 'Mac OS Roman',
  shift_jis: 'Shift JIS (Japanese)',
  gb18030: 'GB 18030 (Chinese)',
  big5: 'Big5 (Chinese)',
  euc_kr: 'EUC-KR (Korean)',
};
/** @type {Labels} */
const PACKINGS = { none: 'uncompressed', gzip: 'gzip', zip: 'zip archive' };

/** @type {Record<OptionName, string>} */
export const OPTION_LABELS = {
  mode: 'Products',
  on_reject: 'Bad rows',
  short_rows: 'Rows with fewer cells',
  header_line: 'Line of the header',
  sheet: 'Sheet',
  encoding: 'Encoding',
  delimiter: 'Delimiter',
  quote: 'Quotes',
  missing: 'Products not in the file',
  missing_limit: 'At most, in % of all products',
};

/**
 * The values of the options that have a list of them, with their labels.
 * @type {Partial<Record<OptionName, Labels>>}
 */
export const OPTION_CHOICES = {
  mode: MODES,
  on_reject: ON_REJECT,
  short_rows: SHORT_ROWS,
  encoding: ENCODINGS,
  delimiter: DELIMITERS,
  quote: QUOTES,
  missing: MISSING,
};

/** The options that change how the file is parsed, and therefore which columns it has. They can be detected. */
export const FORMAT_OPTIONS = new Set(['delimiter', 'quote', 'encoding', 'header_line', 'sheet']);

/** The options that only text files have. */
export const TEXT_OPTIONS = new Set(['delimiter', 'quote', 'encoding']);

/**
 * Return the name of a delimiter.
 * @param {string} delimiter
 */
export const delimiterName = (delimiter) => DELIMITERS[delimiter] ?? `“${delimiter}”`;

/**
 * Return the name of an encoding.
 * @param {string} encoding in any of the spellings of Python
 */
export function encodingName(encoding) {
  if (/^utf-?8-sig$/i.test(encoding)) return 'UTF-8 with a byte order mark';
  const known = Object.entries(ENCODINGS).find(([name]) => normalized(name) === normalized(encoding));
  if (known?.[1]) return known[1];
  return /^(utf|cp|iso)/i.test(encoding) ? encoding.toUpperCase().replace('_', '-') : encoding;
}

/**
 * Return whether two names are spellings of one encoding.
 * @param {string} one
 * @param {string} other
 */
export const isSameEncoding = (one, other) => normalized(one) === normalized(other);

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
export function valueLabel(name, value) {
  if (name === 'delimiter') return delimiterName(value);
  if (name === 'encoding') return encodingName(value);
  return OPTION_CHOICES[name]?.[value] ?? value;
}

/**
 * Return whether a file is a workbook, which has sheets in place of an encoding, a delimiter and quotes.
 * @param {ImportFile | null} file
 */
export const isWorkbook = (file) => Boolean(file?.sheets?.length);

/**
 * Describe how a file was read: encoding, delimiter, quotes and compression; or the sheets of a workbook.
 * @param {ImportFile} file
 * @returns {string[]}
 */
export function describeFormat(file) {
  const packing = file.packing === 'none' ? [] : [packingName(file.packing)];
  if (isWorkbook(file)) return [`Workbook with ${formatCount(file.sheets?.length ?? 0, 'sheet')}`, ...packing];
  return [
    encodingName(file.encoding),
    `${delimiterName(file.delimiter).toLowerCase()} between fields`,
    describeQuoting(file),
    ...packing,
  ];
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
 * Describe the options of an import. Defaults are left out, except for the mode.
 * @param {ImportOptions} options
 */
export function describeOptions(options) {
  const parts = [MODES[options.mode] ?? options.mode];
  if (options.on_reject === 'fail') parts.push('all or nothing');
  if (options.short_rows === 'accept') parts.push('rows with fewer cells accepted');
  if (options.header_line) parts.push(`header in line ${options.header_line}`);
  if (options.sheet) parts.push(`sheet “${options.sheet}”`);
  if (options.delimiter) parts.push(`${delimiterName(options.delimiter).toLowerCase()} as delimiter`);
  if (options.quote) parts.push(options.quote === 'none' ? 'no quotes' : lowerFirst(quoteName(options.quote)));
  if (options.encoding) parts.push(encodingName(options.encoding));
  if (options.mapping) parts.push('columns chosen by hand');
  if (options.missing !== 'keep') {
    const action = options.missing === 'delete' ? 'deleted' : 'deactivated';
    parts.push(`products not in the file ${action}, at most ${formatShare(options.missing_limit)} of all`);
  }
  return parts.join(' · ');
}

/** @param {string} text */
const lowerFirst = (text) => text.charAt(0).toLowerCase() + text.slice(1);

/**
 * Describe what an import does to products that are not in the file.
 * @param {string} missing value of the option
 * @param {string} limit share from 0 to 1
 */
export function describeMissing(missing, limit) {
  if (missing === 'keep') return 'They stay as they are.';
  const effect = missing === 'delete' ? 'is deleted' : 'becomes inactive';
  const share = Number(limit);
  const bound =
    share < 1
      ? `If it concerned more than ${formatShare(share)} of your products, nothing would be imported.`
      : 'It may concern all of your products.';
  const advice = 'Choose this only for a file that lists your whole catalogue.';
  return `Every product whose SKU is not in the file ${effect}. ${advice} ${bound}`;
}

/**
 * Return options as a retry sends them. "" is null: the option is detected again.
 * @param {UploadOptions} values
 * @param {OptionName[]} names of the options to send
 * @returns {RetryOptions}
 */
export function retryValues(values, names) {
  /** @type {Record<string, unknown>} */
  const body = {};
  for (const name of names) {
    const value = values[name] || null;
    const isNumber = name === 'header_line' || name === 'missing_limit';
    body[name] = isNumber && value !== null ? Number(value) : value;
  }
  // The fields only offer values that the API accepts.
  return /** @type {RetryOptions} */ (body);
}

/**
 * Return the options of an import as the values of form fields.
 * @param {ImportOptions} options
 * @returns {UploadOptions}
 */
export const formValues = (options) => ({
  mode: options.mode,
  on_reject: options.on_reject,
  short_rows: options.short_rows,
  header_line: options.header_line === null ? '' : String(options.header_line),
  sheet: options.sheet ?? '',
  encoding: options.encoding ?? '',
  delimiter: options.delimiter ?? '',
  quote: options.quote ?? '',
  missing: options.missing,
  missing_limit: String(options.missing_limit),
});

/**
 * Return the names of the options that differ.
 * @param {UploadOptions} initial
 * @param {UploadOptions} chosen
 */
export const differingOptions = (initial, chosen) =>
  usedOptions(chosen).filter((name) => chosen[name] !== initial[name]);
