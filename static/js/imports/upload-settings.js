// Settings for the files that are uploaded next. The browser remembers whether files are checked first. The options of
// the files last until the page is left.

const STORAGE_KEY = 'import-unchecked';

/** The options of an upload by default. An empty option is detected from the file. */
export const DEFAULT_OPTIONS = Object.freeze({
  mode: 'upsert',
  on_reject: 'skip',
  delimiter: '',
  quote: '',
  encoding: '',
  header_line: '',
  sheet: '',
  short_rows: 'reject',
  missing: 'keep',
  missing_limit: '0.1',
});

/** @typedef {keyof typeof DEFAULT_OPTIONS} OptionName */

/**
 * Values of options as forms send them: `missing_limit` is a share from 0 to 1.
 * @typedef {Record<OptionName, string>} UploadOptions
 */

/** @type {UploadOptions} */
let options = { ...DEFAULT_OPTIONS };

/** The choice of this visit, for browsers that block the storage. */
let skipsCheckHere = false;

/**
 * Return whether files are imported without a check.
 * @returns {boolean}
 */
export function skipsCheck() {
  try {
    return localStorage.getItem(STORAGE_KEY) === 'true';
  } catch {
    return skipsCheckHere;
  }
}

/**
 * Set whether files are imported without a check.
 * @param {boolean} skips
 */
export function setSkipsCheck(skips) {
  skipsCheckHere = skips;
  try {
    localStorage.setItem(STORAGE_KEY, String(skips));
  } catch {
    // The browser blocks the storage, so the choice lasts until the page is left.
  }
}

/**
 * Return the options of the next upload.
 * @returns {UploadOptions}
 */
export const currentOptions = () => ({ ...options });

/**
 * Change options of the next upload.
 * @param {Partial<UploadOptions>} changes
 */
export function setOptions(changes) {
  options = { ...options, ...changes };
}

/**
 * Return the names of the options that differ from the defaults.
 * @returns {OptionName[]}
 */
export const changedOptions = () => usedOptions(options).filter((name) => options[name] !== DEFAULT_OPTIONS[name]);

/**
 * Return the names of the options that have a meaning. The limit has none while missing products are kept.
 * @param {UploadOptions} values
 * @returns {OptionName[]}
 */
export const usedOptions = (values) =>
  optionNames().filter((name) => name !== 'missing_limit' || values.missing !== 'keep');

/**
 * Return the names of all options, in the order in which they are shown.
 * @returns {OptionName[]}
 */
export const optionNames = () => [
  'mode',
  'on_reject',
  'short_rows',
  'header_line',
  'sheet',
  'encoding',
  'delimiter',
  'quote',
  'missing',
  'missing_limit',
];

/** Keep products that are not in the next file. No file removes products because of an earlier one's option. */
export const resetMissing = () =>
  setOptions({ missing: DEFAULT_OPTIONS.missing, missing_limit: DEFAULT_OPTIONS.missing_limit });

/**
 * Return the form fields that are uploaded with a file.
 * @returns {Record<string, string>}
 */
export function uploadFields() {
  const changed = Object.fromEntries(changedOptions().map((name) => [name, options[name]]));
  return { ...changed, ...(skipsCheck() ? {} : { preview: 'true' }), started_from: 'page' };
}
