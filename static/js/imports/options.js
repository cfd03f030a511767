// The options of an import in words, and as the API takes them.

import { formatAnd, formatShare } from '../core/format.js';
import { t } from '../core/i18n.js';
import { CHOICE_LABELS, CHOICE_NAMES } from '../core/option-names.js';
import { usedOptions } from './upload-settings.js';

/** @import { ImportFile, ImportOptions, RetryOptions } from '../core/types.d.ts' */
/** @import { OptionName, UploadOptions } from './upload-settings.js' */

/** @typedef {Record<string, string | undefined>} Labels Labels by the value that the API uses. */

/** @typedef {'comma' | 'semicolon' | 'tab' | 'bar'} DelimiterName as messages select it */
/** @type {Record<string, DelimiterName | undefined>} */
const DELIMITER_NAMES = { ',': 'comma', ';': 'semicolon', '\t': 'tab', '|': 'bar' };
/** @type {Labels} */
const DELIMITERS = {
  ',': t('imports.option.delimiter.comma'),
  ';': t('imports.option.delimiter.semicolon'),
  '\t': t('imports.option.delimiter.tab'),
  '|': t('imports.option.delimiter.bar'),
};
/** @typedef {'double' | 'single' | 'double_escaped' | 'single_escaped'} QuoteName as messages select it */
/** @type {Record<string, QuoteName | undefined>} */
const QUOTE_NAMES = { '"': 'double', "'": 'single', '\\"': 'double_escaped', "\\'": 'single_escaped' };
/** @type {Labels} */
const QUOTES = {
  '"': t('imports.option.quote.double'),
  "'": t('imports.option.quote.single'),
  none: t('imports.option.quote.none'),
  '\\"': t('imports.option.quote.double_escaped'),
  "\\'": t('imports.option.quote.single_escaped'),
};
/** @type {Labels} */
const ENCODINGS = {
  'utf-8': 'UTF-8',
  'utf-16': 'UTF-16',
  cp1252: t('imports.option.encoding.cp1252'),
  cp1250: t('imports.option.encoding.cp1250'),
  cp1251: t('imports.option.encoding.cp1251'),
  cp1253: t('imports.option.encoding.cp1253'),
  cp1254: t('imports.option.encoding.cp1254'),
  'iso-8859-1': t('imports.option.encoding.iso_8859_1'),
  'iso-8859-2': t('imports.option.encoding.iso_8859_2'),
  'iso-8859-15': t('imports.option.encoding.iso_8859_15'),
  cp437: 'DOS 437',
  cp850: t('imports.option.encoding.cp850'),
  cp852: t('imports.option.encoding.cp852'),
  cp866: t('imports.option.encoding.cp866'),
  mac_roman: t('imports.option.encoding.mac_roman'),
  mac_cyrillic: t('imports.option.encoding.mac_cyrillic'),
  'koi8-r': t('imports.option.encoding.koi8_r'),
  shift_jis: t('imports.option.encoding.shift_jis'),
  euc_jp: t('imports.option.encoding.euc_jp'),
  gb18030: t('imports.option.encoding.gb18030'),
  big5: t('imports.option.encoding.big5'),
  euc_kr: t('imports.option.encoding.euc_kr'),
};
/** @type {Labels} */
const PACKINGS = {
  none: t('imports.option.packing.none'),
  zip: t('imports.option.packing.zip'),
  zstd: t('imports.option.packing.zstd'),
};

/** @type {Record<OptionName, string>} */
export const OPTION_LABELS = {
  ...CHOICE_LABELS,
  header_line: t('imports.option.label.header_line'),
  sheet: t('imports.option.label.sheet'),
  encoding: t('imports.option.label.encoding'),
  delimiter: t('imports.option.label.delimiter'),
  quote: t('imports.option.label.quote'),
  missing_limit: t('imports.option.label.missing_limit'),
};

/**
 * The values of the options that have a list of them, with their labels.
 * @type {Partial<Record<OptionName, Labels>>}
 */
export const OPTION_CHOICES = {
  ...CHOICE_NAMES,
  encoding: ENCODINGS,
  delimiter: DELIMITERS,
  quote: QUOTES,
};

/** The options that change how the file is parsed, and therefore which columns it has. They can be detected. */
export const FORMAT_OPTIONS = new Set(['delimiter', 'quote', 'encoding', 'header_line', 'sheet']);

/** The options that only text files have. */
export const TEXT_OPTIONS = new Set(['delimiter', 'quote', 'encoding']);

/**
 * Return the name of a delimiter.
 * @param {string} delimiter
 */
export const delimiterName = (delimiter) => DELIMITERS[delimiter] ?? t('imports.option.quoted', { name: delimiter });

/** @param {string} character */
const delimiterArguments = (character) => ({
  delimiter: DELIMITER_NAMES[character] ?? /** @type {const} */ ('other'),
  character,
});

/**
 * Return the name of an encoding.
 * @param {string} encoding in any of the spellings of Python; `utf-8+cp1252` if the rows of a file have both
 * @returns {string}
 */
export function encodingName(encoding) {
  if (encoding.includes('+')) return formatAnd(encoding.split('+').map(encodingName));
  if (/^utf-?8-sig$/i.test(encoding)) return t('imports.option.encoding.utf_8_bom');
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
export function describeQuoting(file) {
  const { quote, escaped } = file;
  if (!quote) return t('imports.option.no_quotes');
  return escaped
    ? t('imports.option.quoted_escaped', { quote, escaped: quoteOption(file) })
    : t('imports.option.quoted_with', { quote });
}

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
  if (isWorkbook(file)) return [t('imports.option.workbook', { count: file.sheets?.length ?? 0 }), ...packing];
  return [
    encodingName(file.encoding),
    t('imports.option.between_fields', delimiterArguments(file.delimiter)),
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
  const parts = [CHOICE_NAMES.mode[options.mode] ?? options.mode];
  if (options.on_reject === 'fail') parts.push(t('imports.option.all_or_nothing'));
  if (options.short_rows === 'accept') parts.push(t('imports.option.short_rows_accepted'));
  if (options.header_line) parts.push(t('imports.option.header_in_line', { line: options.header_line }));
  if (options.sheet) parts.push(t('imports.option.sheet_named', { name: options.sheet }));
  if (options.delimiter) parts.push(t('imports.option.as_delimiter', delimiterArguments(options.delimiter)));
  if (options.quote) parts.push(describeQuotes(options.quote));
  if (options.encoding) parts.push(encodingName(options.encoding));
  if (options.mapping) parts.push(t('imports.option.columns_by_hand'));
  if (options.missing !== 'keep') {
    const action = actionOf(options.missing);
    parts.push(t('imports.option.missing_removed', { action, share: formatShare(options.missing_limit) }));
  }
  return parts.join(' · ');
}

/** @param {string} option */
const describeQuotes = (option) =>
  option === 'none'
    ? t('imports.option.no_quotes')
    : t('imports.option.with_quotes', { quote: QUOTE_NAMES[option] ?? 'other', escape: option });

/** @param {string} missing value of the option @returns {'delete' | 'other'} */
const actionOf = (missing) => (missing === 'delete' ? 'delete' : 'other');

/**
 * Describe what an import does to products that are not in the file.
 * @param {string} missing value of the option
 * @param {string} limit share from 0 to 1
 */
export function describeMissing(missing, limit) {
  if (missing === 'keep') return t('imports.option.missing_kept');
  const share = Number(limit);
  return t('imports.option.missing_effect', {
    action: actionOf(missing),
    isLimited: share < 1,
    share: formatShare(share),
  });
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
