// What a paste does: which cells of the table get which values, and which ones cannot get theirs.

import { t } from '../core/i18n.js';
import { readActive } from './active-words.js';
import { FIELDS } from './edit-conflict.js';

/** @import { Product } from '../core/types.d.ts' */
/** @import { CellTable } from './clipboard-table.js' */
/** @import { FieldName, FieldValues } from './edit-conflict.js' */

/** The columns that a block can have. @typedef {FieldName | 'updated_at'} BlockColumn */

/**
 * A row as the table shows it.
 * @typedef {object} PlanRow
 * @property {number} id
 * @property {Product} shown with values that are being saved
 */

/**
 * The values that a product is to get.
 * @typedef {{id: number, values: FieldValues}} PlannedEdit
 */

/** A cell that cannot get its value. @typedef {{id: number, sku: string, field: FieldName, reason: string}} Refusal */

/**
 * @typedef {object} PastePlan
 * @property {PlannedEdit[]} edits only values that differ from those that are shown
 * @property {Refusal[]} refusals
 * @property {number} rowsLeftOut rows of the clipboard below the last row of the page
 * @property {number} columnsLeftOut columns of the clipboard to the right of the last one
 * @property {boolean} hasReadOnly whether cells of "Updated" are in the way
 */

const SKU_MAX_CHARACTERS = 255;
const NAME_MAX_CHARACTERS = 500;

/**
 * Plan a paste. One copied cell fills the whole target, and so do several if the target is a multiple of them;
 * otherwise they start at its first cell, whatever its size.
 * @param {CellTable} table
 * @param {PlanRow[]} rows from the first row of the target to the last row of the page
 * @param {BlockColumn[]} columns from the first column of the target to the last one
 * @param {{rows: number, columns: number}} target its size
 * @returns {PastePlan}
 */
export function planPaste(table, rows, columns, target) {
  const width = table.reduce((widest, row) => Math.max(widest, row.length), 1);
  const isMultiple = target.rows % table.length === 0 && target.columns % width === 0;
  const size = isMultiple ? target : { rows: table.length, columns: width };
  const texts = rows
    .slice(0, size.rows)
    .map((_, index) => columns.slice(0, size.columns).map((__, place) => textAt(table, width, index, place)));
  return {
    ...planTexts(texts, rows, columns),
    rowsLeftOut: Math.max(0, size.rows - rows.length),
    columnsLeftOut: Math.max(0, size.columns - columns.length),
  };
}

/**
 * Plan to clear cells: names and descriptions become empty.
 * @param {PlanRow[]} rows
 * @param {BlockColumn[]} columns
 * @returns {PastePlan}
 */
export function planClear(rows, columns) {
  const clearable = columns.filter((column) => column === 'name' || column === 'description');
  const texts = rows.map(() => clearable.map(() => ''));
  return { ...planTexts(texts, rows, clearable), rowsLeftOut: 0, columnsLeftOut: 0 };
}

/**
 * @param {CellTable} table
 * @param {number} width
 * @param {number} index
 * @param {number} place
 * @returns {string | undefined} undefined if the row of the clipboard is shorter than others
 */
const textAt = (table, width, index, place) => table[index % table.length]?.[place % width];

/**
 * @param {(string | undefined)[][]} texts
 * @param {PlanRow[]} rows
 * @param {BlockColumn[]} columns
 */
function planTexts(texts, rows, columns) {
  /** @type {PlannedEdit[]} */
  const edits = [];
  /** @type {Refusal[]} */
  const refusals = [];
  texts.forEach((cells, index) => {
    const row = rows[index];
    if (!row) return;
    /** @type {FieldValues} */
    const values = {};
    cells.forEach((text, place) => {
      const field = FIELDS.find((name) => name === columns[place]);
      if (!field || text === undefined) return;
      const reason = readValue(values, field, text, row.shown);
      if (reason) refusals.push({ id: row.id, sku: row.shown.sku, field, reason });
    });
    if (Object.keys(values).length) edits.push({ id: row.id, values });
  });
  return { edits, refusals, hasReadOnly: columns.slice(0, texts[0]?.length).includes('updated_at') };
}

/**
 * Add the value of a text to `values`, if it differs from what the row shows.
 * @param {FieldValues} values
 * @param {FieldName} field
 * @param {string} text
 * @param {Product} shown
 * @returns {string} why that is not possible; "" if it is
 */
function readValue(values, field, text, shown) {
  if (field === 'active') {
    const value = readActive(text);
    // As in an import, a blank cell leaves it as it is.
    if (value === undefined) return text.trim() ? t('products.paste.no_active', { text: shorten(text) }) : '';
    if (value !== shown.active) values.active = value;
    return '';
  }
  const value = field === 'sku' ? text.trim() : text;
  const reason = findFault(field, value);
  if (!reason && value !== shown[field]) values[field] = value;
  return reason;
}

/**
 * @param {Exclude<FieldName, 'active'>} field
 * @param {string} value
 */
function findFault(field, value) {
  if (field === 'sku' && !value) return t('products.paste.empty_sku');
  const limit = { sku: SKU_MAX_CHARACTERS, name: NAME_MAX_CHARACTERS, description: Infinity }[field];
  // The server counts code points. There are at most as many as code units.
  const length = value.length > limit ? [...value].length : 0;
  if (length > limit) return t('products.paste.too_long', { limit, length });
  return value.includes('\0') || !isWellFormed(value) ? t('products.paste.bad_characters') : '';
}

/**
 * Return whether a text has no half of a surrogate pair.
 * @param {string} text
 */
const isWellFormed = (text) => !/[\ud800-\udfff]/u.test(text);

/** @param {string} text */
const shorten = (text) => (text.length > 30 ? `${text.slice(0, 30)}…` : text).trim();
