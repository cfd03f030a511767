// The cells of a row while it is edited: which column each belongs to, and moving them when there are too many or too
// few.

import { t } from '../core/i18n.js';

/** @import { FileColumn, RejectedRow } from '../core/types.d.ts' */

/** Longer values get several lines. */
const LONG_CHARACTERS = 70;

/**
 * A place of a row: a cell with its column, a cell without a column, or a column without a cell.
 * @typedef {object} Slot
 * @property {string} label
 * @property {FileColumn | null} column null for a surplus cell
 * @property {string | null} value null if the row has no such cell
 */

/**
 * Return the places of a row in the order of the file.
 * @param {FileColumn[]} columns
 * @param {string[]} cells
 * @returns {Slot[]}
 */
export function slotsOf(columns, cells) {
  const length = Math.max(columns.length, cells.length);
  return Array.from({ length }, (_, index) => {
    const column = columns[index] ?? null;
    return {
      label: column
        ? column.name || t('imports.fix.unnamed')
        : t('imports.fix.surplus_cell', { number: index - columns.length + 1 }),
      column,
      value: cells[index] ?? null,
    };
  });
}

/**
 * Insert an empty cell; the cells from there on move one column further.
 * @param {string[]} cells
 * @param {number} index
 */
export const insertCell = (cells, index) => cells.toSpliced(index, 0, '');

/**
 * Remove a cell; the cells after it move one column back.
 * @param {string[]} cells
 * @param {number} index
 */
export const removeCell = (cells, index) => cells.toSpliced(index, 1);

/**
 * Join a cell with the next one, as before a delimiter without quotes split them.
 * @param {string[]} cells
 * @param {number} index
 * @param {string} delimiter
 */
export const joinCells = (cells, index, delimiter) =>
  cells.toSpliced(index, 2, `${cells[index] ?? ''}${delimiter}${cells[index + 1] ?? ''}`);

/**
 * Add empty cells until a column has one.
 * @param {string[]} cells
 * @param {number} index of the column
 */
export const addCells = (cells, index) => [...cells, ...Array(Math.max(0, index + 1 - cells.length)).fill('')];

/**
 * Say whether a row has a cell for each column.
 * @param {number} cells how many cells there are
 * @param {number} columns how many columns there are
 */
export function describeWidth(cells, columns) {
  if (cells === columns) return t('imports.fix.all_cells', { count: cells });
  return cells > columns
    ? t('imports.fix.many_cells', { count: cells - columns })
    : t('imports.fix.few_cells', { count: columns - cells });
}

/**
 * Return the cells with which a row is opened. A row that the server could not split is split at every delimiter.
 * Surplus cells at its end that are empty are left out.
 * @param {Pick<RejectedRow, 'cells' | 'row'>} reject
 * @param {number} columns how many columns there are
 * @param {string} delimiter
 */
export function openingCells({ cells, row }, columns, delimiter) {
  const opened = cells ? [...cells] : row.replace(/[\r\n]+$/, '').split(delimiter);
  while (opened.length > columns && opened.at(-1) === '') opened.pop();
  return opened;
}

/**
 * Return whether a value needs a field with several lines.
 * @param {string} value
 */
export const needsLines = (value) => /[\r\n]/.test(value) || value.length > LONG_CHARACTERS;

/**
 * Return the column that a rejected row was rejected for.
 * @param {FileColumn[]} columns
 * @param {Pick<RejectedRow, 'column'>} reject
 * @returns {number} -1 if it is the whole row
 */
export const blamedColumn = (columns, { column }) => columns.findIndex(({ name }) => name === column);

/**
 * Return the cells that differ, with their labels.
 * @param {FileColumn[]} columns
 * @param {string[]} before
 * @param {string[]} after
 * @returns {{label: string, before: string | null, after: string | null}[]} null for a cell that one of them lacks
 */
export function differingCells(columns, before, after) {
  const slots = slotsOf(columns, before.length > after.length ? before : after);
  return slots
    .map(({ label }, index) => ({ label, before: before[index] ?? null, after: after[index] ?? null }))
    .filter((cell) => cell.before !== cell.after);
}
