// The corrections of a file that are prepared on this page and not sent yet. They outlive the steps and screens of the
// page, so that neither a failed request nor another look at the products loses them.

import { createSignal } from '../core/event-bus.js';

/** @import { Signal } from '../core/event-bus.js' */

/**
 * A value that is replaced in a whole column.
 * @typedef {{column: string, value: string, replacement: string}} ValueFix
 */

/**
 * A row that is replaced. `before` has its cells as they are in the file.
 * @typedef {{line: number, row: string[], before: string[]}} RowFix
 */

/** @typedef {ValueFix | RowFix} Fix */

/**
 * A prepared correction. `problem` is the sentence with which the server refused it, "" if it did not.
 * @typedef {{key: string, fix: Fix, problem: string}} Draft
 */

/**
 * @typedef {object} FixDrafts
 * @property {() => Draft[]} list in the order in which they were prepared
 * @property {(key: string) => Draft | undefined} get
 * @property {(fix: Fix) => void} put Add a correction. It replaces an earlier one of the same value or line.
 * @property {(key: string) => void} remove
 * @property {(drafts: Draft[]) => void} removeSent Remove corrections that were sent, unless they changed meanwhile.
 * @property {(problems: Map<string, string>) => void} setProblems Set the problems by key; others are cleared.
 * @property {Signal<void>} changed
 */

/** @type {Map<string, FixDrafts>} */
const draftsByImport = new Map();

/**
 * Return the corrections that are prepared for an import.
 * @param {string} taskId
 * @returns {FixDrafts}
 */
export function draftsOf(taskId) {
  const known = draftsByImport.get(taskId);
  if (known) return known;
  const drafts = createFixDrafts();
  draftsByImport.set(taskId, drafts);
  return drafts;
}

/** Return whether any correction is prepared and not sent, for any import. */
export const hasDrafts = () => [...draftsByImport.values()].some((drafts) => drafts.list().length > 0);

/**
 * Discard the corrections of an import whose file cannot be corrected any more.
 * @param {string} taskId
 */
export const discardDrafts = (taskId) => draftsByImport.delete(taskId);

/** @returns {FixDrafts} */
export function createFixDrafts() {
  /** @type {Map<string, Draft>} */
  const drafts = new Map();
  /** @type {Signal<void>} */
  const changed = createSignal();
  return {
    changed,
    list: () => [...drafts.values()],
    get: (key) => drafts.get(key),
    put(fix) {
      const key = keyOf(fix);
      drafts.set(key, { key, fix, problem: '' });
      changed.emit();
    },
    remove(key) {
      if (drafts.delete(key)) changed.emit();
    },
    removeSent(sent) {
      for (const { key, fix } of sent) {
        if (drafts.get(key)?.fix === fix) drafts.delete(key);
      }
      changed.emit();
    },
    setProblems(problems) {
      for (const [key, draft] of drafts) drafts.set(key, { ...draft, problem: problems.get(key) ?? '' });
      changed.emit();
    },
  };
}

/**
 * Return the key of a correction. Corrections of the same value, or of the same line, have the same key.
 * @param {Pick<ValueFix, 'column' | 'value'> | Pick<RowFix, 'line'>} fix
 */
export const keyOf = (fix) => ('line' in fix ? `line:${fix.line}` : `value:${JSON.stringify([fix.column, fix.value])}`);

/**
 * Return a correction as the API takes it.
 * @param {Fix} fix
 */
export const requestOf = (fix) => ('line' in fix ? { line: fix.line, row: fix.row } : { ...fix });

/**
 * Return the problem of each correction that a request was refused for.
 * @param {Record<string, string[]>} fields of the error: `fixes.<index>…` names a correction of the request
 * @param {Draft[]} sent
 * @returns {Map<string, string>} sentences by key
 */
export function problemsOf(fields, sent) {
  /** @type {Map<string, string>} */
  const problems = new Map();
  for (const [name, sentences] of Object.entries(fields)) {
    const index = /^fixes\D+(\d+)/.exec(name)?.[1];
    const draft = index === undefined ? undefined : sent[Number(index)];
    if (draft) problems.set(draft.key, [problems.get(draft.key), ...sentences].filter(Boolean).join(' '));
  }
  return problems;
}
