// How files are to be imported: whether they are checked first (remembered), and the options of the next uploads (not
// remembered).

const KEY = 'import-unchecked';

/** What an upload does when nothing else is asked for; empty: found from the file. */
export const DEFAULT_OPTIONS = Object.freeze({
  mode: 'upsert',
  on_reject: 'skip',
  delimiter: '',
  quote: '',
  encoding: '',
});

let options = { ...DEFAULT_OPTIONS };

/** @returns {boolean} whether files are imported without a check */
export function skipsCheck() {
  try {
    return localStorage.getItem(KEY) === 'true';
  } catch {
    return unchecked;
  }
}
let unchecked = false;

/** @param {boolean} wanted */
export function setSkipsCheck(wanted) {
  unchecked = wanted;
  try {
    localStorage.setItem(KEY, String(wanted));
  } catch {
    // Storage may be blocked; the choice then holds until the page is left.
  }
}

/** @returns {typeof DEFAULT_OPTIONS} */
export const currentOptions = () => ({ ...options });

/** @param {Partial<typeof DEFAULT_OPTIONS>} changes */
export function setOptions(changes) {
  options = { ...options, ...changes };
}

/** @returns {Record<string, string>} form fields that go with a file */
export function uploadFields() {
  const asked = Object.entries(options).filter(([name, value]) => value !== DEFAULT_OPTIONS[name]);
  return { ...Object.fromEntries(asked), ...(skipsCheck() ? {} : { preview: 'true' }), started_from: 'page' };
}
