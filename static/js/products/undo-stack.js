// The edits of this tab, for undo and redo.

/** @import { FieldValues } from './edit-conflict.js' */

/**
 * An edit of a product. Undoing it writes `before` if the product still has the version `to`; repeating it writes
 * `after` if the product has the version `from`.
 * @typedef {object} ProductEdit
 * @property {number} id of the product
 * @property {string} sku after the edit
 * @property {FieldValues} before
 * @property {FieldValues} after
 * @property {string} from `updated_at` before the edit
 * @property {string} to `updated_at` after the edit
 * @property {number} at when it was made, in milliseconds
 */

const MAX_EDITS = 100;

/** Create an empty stack. */
export function createUndoStack() {
  /** @type {ProductEdit[]} */
  let done = [];
  /** @type {ProductEdit[]} */
  let undone = [];
  return {
    /** @param {ProductEdit} edit that was just made; what was undone before can no longer be repeated */
    record(edit) {
      done = [...done, edit].slice(-MAX_EDITS);
      undone = [];
    },
    /** Return the edit to undo next. */
    lastDone: () => done.at(-1),
    /** Return the edit to repeat next. */
    lastUndone: () => undone.at(-1),
    /**
     * Note that the last edit was undone. The product has a new version with the values from before the edit, so the
     * edit before it can be undone from this version.
     * @param {string} version
     */
    noteUndone(version) {
      const edit = done.pop();
      if (!edit) return;
      done = done.map((other) => (other.id === edit.id && other.to === edit.from ? { ...other, to: version } : other));
      undone.push({ ...edit, from: version });
    },
    /**
     * Note that the last undone edit was repeated. The edit after it can then be repeated from the new version.
     * @param {string} version
     */
    noteRepeated(version) {
      const edit = undone.pop();
      if (!edit) return;
      undone = undone.map((other) =>
        other.id === edit.id && other.from === edit.to ? { ...other, from: version } : other,
      );
      done.push({ ...edit, to: version });
    },
    /** @param {number} id of a product that somebody else has changed or deleted: its edits cannot be undone */
    forget(id) {
      done = done.filter((edit) => edit.id !== id);
      undone = undone.filter((edit) => edit.id !== id);
    },
    clear() {
      done = [];
      undone = [];
    },
  };
}

const MAX_SHOWN_CHARACTERS = 60;

/**
 * Say what a product is after an undo or a repetition, such as "The name of A-1 is “Lamp” again".
 * @param {string} sku as it is now
 * @param {FieldValues} values
 * @returns {(string | {value: string})[]} the parts of the sentence, with values apart from words
 */
export function describeValues(sku, { active, ...texts }) {
  const names = Object.keys(texts).map((name) => (name === 'sku' ? 'SKU' : name));
  if (active !== undefined && !names.length) return [{ value: sku }, ` is ${active ? 'active' : 'inactive'} again`];
  if (active !== undefined) names.push('state');
  const of = [`The ${joinWords(names)} of `, { value: sku }];
  if (names.length > 1) return [...of, ' are as they were'];
  const text = String(Object.values(texts)[0] ?? '');
  if (!text.trim()) return [...of, ' is empty again'];
  const line = text.replace(/\s+/g, ' ').trim();
  const shown = line.length > MAX_SHOWN_CHARACTERS ? `${line.slice(0, MAX_SHOWN_CHARACTERS)}…` : line;
  return [...of, ' is “', { value: shown }, '” again'];
}

/** @param {string[]} words */
const joinWords = (words) =>
  words.length > 1 ? `${words.slice(0, -1).join(', ')} and ${words.at(-1)}` : (words[0] ?? '');
