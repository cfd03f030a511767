// The edits of this tab, for undo and redo.

import { tRich } from '../core/i18n.js';
import { FIELDS } from './edit-conflict.js';
import { listFields } from './field-names.js';

/** @import { Part, Tag } from '../core/i18n.js' */
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
 */

/**
 * Edits that were made together, and are undone and repeated together.
 * @typedef {object} UndoStep
 * @property {ProductEdit[]} edits each of another product
 * @property {number} at when they were made, in milliseconds
 */

/** The new `updated_at` of products, by their ids. @typedef {Map<number, string>} Versions */

const MAX_STEPS = 100;

/** Create an empty stack. */
export function createUndoStack() {
  /** @type {UndoStep[]} */
  let done = [];
  /** @type {UndoStep[]} */
  let undone = [];
  return {
    /** @param {ProductEdit[]} edits that were just made; what was undone before can no longer be repeated */
    record(edits) {
      done = [...done, { edits, at: Date.now() }].slice(-MAX_STEPS);
      undone = [];
    },
    /** Return the step to undo next. */
    lastDone: () => done.at(-1),
    /** Return the step to repeat next. */
    lastUndone: () => undone.at(-1),
    /**
     * Note that the last step was undone. Its products have new versions with the values from before the step, so the
     * steps before it can be undone from these versions. Products without a new version could not be changed back.
     * @param {Versions} versions
     */
    noteUndone(versions) {
      const step = done.pop();
      if (!step) return;
      done = done.map((earlier) => follow(earlier, step, versions, 'to', 'from'));
      undone.push(...reverse(step, versions, 'from'));
    },
    /**
     * Note that the last undone step was repeated. The step after it can then be repeated from the new versions.
     * @param {Versions} versions
     */
    noteRepeated(versions) {
      const step = undone.pop();
      if (!step) return;
      undone = undone.map((later) => follow(later, step, versions, 'from', 'to'));
      done.push(...reverse(step, versions, 'to'));
    },
    /** @param {number[]} ids of products that somebody else has changed or deleted: their edits cannot be undone */
    forget(ids) {
      done = without(done, ids);
      undone = without(undone, ids);
    },
    clear() {
      done = [];
      undone = [];
    },
  };
}

/**
 * Let the edits of a step that lead to, or from, the versions of another step do so with its new versions.
 * @param {UndoStep} step
 * @param {UndoStep} other
 * @param {Versions} versions
 * @param {'from' | 'to'} mine
 * @param {'from' | 'to'} theirs
 * @returns {UndoStep}
 */
function follow(step, other, versions, mine, theirs) {
  const old = new Map(other.edits.map((edit) => [edit.id, edit[theirs]]));
  const edits = step.edits.map((edit) => {
    const version = edit[mine] === old.get(edit.id) ? versions.get(edit.id) : undefined;
    return version === undefined ? edit : { ...edit, [mine]: version };
  });
  return { ...step, edits };
}

/**
 * @param {UndoStep} step
 * @param {Versions} versions
 * @param {'from' | 'to'} end
 * @returns {UndoStep[]} the step with its new versions; nothing if no product has one
 */
function reverse(step, versions, end) {
  const edits = step.edits.flatMap((edit) => {
    const version = versions.get(edit.id);
    return version === undefined ? [] : [{ ...edit, [end]: version }];
  });
  return edits.length ? [{ ...step, edits }] : [];
}

/**
 * @param {UndoStep[]} steps
 * @param {number[]} ids
 * @returns {UndoStep[]}
 */
function without(steps, ids) {
  return steps
    .map((step) => ({ ...step, edits: step.edits.filter((edit) => !ids.includes(edit.id)) }))
    .filter((step) => step.edits.length);
}

const MAX_SHOWN_CHARACTERS = 60;

/**
 * Say what a product is after an undo or a repetition, such as "The name of A-1 is “Lamp” again".
 * @param {string} sku as it is now
 * @param {FieldValues} values
 * @param {Tag} value returns what shows a value
 * @returns {Part[]} the parts of the sentence
 */
export function describeValues(sku, values, value) {
  const { active, ...texts } = values;
  const fields = FIELDS.filter((field) => values[field] !== undefined);
  const [field = 'name'] = fields;
  if (fields.length > 1) {
    return tRich('products.undo.several_fields', { fields: listFields(fields), sku, value });
  }
  if (active !== undefined) return tRich('products.undo.active', { sku, isActive: active, value });
  const line = String(Object.values(texts)[0] ?? '')
    .replace(/\s+/g, ' ')
    .trim();
  if (!line) return tRich('products.undo.empty', { field, sku, value });
  const text = line.length > MAX_SHOWN_CHARACTERS ? `${line.slice(0, MAX_SHOWN_CHARACTERS)}…` : line;
  return tRich('products.undo.text', { field, sku, text, value });
}
