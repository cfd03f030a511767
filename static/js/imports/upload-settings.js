// How files are to be imported: whether they are checked first (remembered), and the options of the next uploads (not
// remembered).

const KEY = 'import-unchecked';

/** What an upload does when nothing else is asked for; empty: found from the file. */
export const DEFAULTS = Object.freeze({ mode: 'upsert', on_reject: 'skip', delimiter: '', quote: '', encoding: '' });

let options = { ...DEFAULTS };

/** @returns {boolean} whether files are imported without a check */
export function isUnchecked() {
  try {
    return localStorage.getItem(KEY) === 'true';
  } catch {
    return unchecked;
  }
}
let unchecked = false;

/** @param {boolean} wanted */
export function setUnchecked(wanted) {
  unchecked = wanted;
  try {
    localStorage.setItem(KEY, String(wanted));
  } catch {
    // Storage may be blocked; the choice then holds until the page is left.
  }
}

/** @returns {typeof DEFAULTS} */
export const currentOptions = () => ({ ...options });

/** @param {Partial<typeof DEFAULTS>} changes */
export function setOptions(changes) {
  options = { ...options, ...changes };
}

/** @returns {Record<string, string>} form fields that go with a file */
export function uploadFields() {
  const asked = Object.entries(options).filter(([name, value]) => value !== DEFAULTS[name]);
  return { ...Object.fromEntries(asked), ...(isUnchecked() ? {} : { preview: 'true' }), started_from: 'page' };
}
