// A block of cells: selected with Shift and the arrow keys, Shift+click, a drag of the mouse, or Ctrl+A.

import { announce } from '../core/announcer.js';
import { closestTo } from '../core/dom.js';
import { t } from '../core/i18n.js';

/** @import { BlockColumn } from './paste-plan.js' */
/** @import { Column, Row } from './row.js' */

/** @typedef {{row: Row, column: BlockColumn}} Cell */

/** @typedef {{rows: Row[], columns: BlockColumn[]}} CellRange */

/**
 * @typedef {object} CellBlock
 * @property {() => Cell | null} head Return the cell up to which the block goes, or the focused cell without a block.
 * @property {(row: Row, column: Column) => void} extend Let the block go from its start, the focused cell, to this one.
 * @property {() => boolean} clear Select no block any more; return whether there was one.
 * @property {() => void} refresh Mark the cells again after rows were added, moved or removed.
 * @property {() => CellRange | null} range Return the cells of the block, or the focused one.
 * @property {() => BlockColumn[]} columns Return the columns that are shown.
 */

/** @type {BlockColumn[]} */
const BLOCK_COLUMNS = ['sku', 'name', 'description', 'active', 'updated_at'];

/**
 * @param {string | undefined} column
 * @returns {column is BlockColumn}
 */
export const isBlockColumn = (column) => BLOCK_COLUMNS.some((name) => name === column);

/**
 * Create the selection of blocks for a table. There is no block at first.
 * @param {object} table
 * @param {HTMLElement} table.body
 * @param {HTMLElement} table.scroller
 * @param {(event: Event) => Row | undefined} table.rowOf the row that an event came from
 * @param {() => Row[]} table.rowsInOrder
 * @param {() => boolean} table.isOff whether clicks of the mouse do something else now
 * @returns {CellBlock}
 */
export function createCellBlock({ body, scroller, rowOf, rowsInOrder, isOff }) {
  /** The ids and columns of two opposite corners. @type {{anchor: Corner, head: Corner} | null} */
  let ends = null;
  /** @type {Set<HTMLElement>} */
  let marked = new Set();
  /** Where the mouse button was pressed. @type {Cell | null} */
  let dragStart = null;

  /** @typedef {{id: number, column: BlockColumn}} Corner */

  const columns = () => BLOCK_COLUMNS.filter((column) => rowsInOrder()[0]?.cells[column].checkVisibility());

  /** @param {number} id */
  const rowById = (id) => rowsInOrder().find((row) => row.product.id === id);

  /** @param {Event | {target: EventTarget | null}} event @returns {Cell | null} */
  const cellOf = (event) => {
    const cell = event.target instanceof Element ? event.target.closest('td') : null;
    const column = cell?.dataset.column;
    const row = cell && rowById(Number(cell.closest('tr')?.dataset.id));
    return row && isBlockColumn(column) ? { row, column } : null;
  };

  const focused = () =>
    body.contains(document.activeElement) && !document.activeElement?.closest('.cell-overlay')
      ? cellOf({ target: document.activeElement })
      : null;

  /** @returns {CellRange | null} */
  function blockRange() {
    if (!ends) return null;
    const rows = rowsInOrder();
    const shown = columns();
    const corners = [ends.anchor, ends.head];
    const [top = -1, bottom = -1] = sorted(corners.map(({ id }) => rows.findIndex((row) => row.product.id === id)));
    const [left = -1, right = -1] = sorted(corners.map(({ column }) => shown.indexOf(column)));
    if (top < 0 || left < 0) return null;
    return { rows: rows.slice(top, bottom + 1), columns: shown.slice(left, right + 1) };
  }

  /** @returns {CellRange | null} */
  const range = () => {
    const cell = focused();
    return blockRange() ?? (cell && { rows: [cell.row], columns: [cell.column] });
  };

  function refresh() {
    const { rows, columns: inBlock } = blockRange() ?? { rows: [], columns: [] };
    if (!rows.length) ends = null;
    /** @type {Set<HTMLElement>} */
    const wanted = new Set(rows.flatMap((row) => inBlock.map((column) => row.cells[column])));
    for (const cell of marked) if (!wanted.has(cell)) mark(cell, false);
    for (const cell of wanted) if (!marked.has(cell)) mark(cell, true);
    marked = wanted;
  }

  /**
   * @param {Cell} from
   * @param {Row} row
   * @param {Column} wanted
   */
  function select(from, row, wanted) {
    const shown = columns();
    const column = isBlockColumn(wanted) ? wanted : wanted === 'select' ? shown[0] : shown.at(-1);
    if (!column) return;
    // A text that is selected would be copied in place of the block.
    window.getSelection()?.removeAllRanges();
    ends = {
      anchor: { id: from.row.product.id, column: from.column },
      head: { id: row.product.id, column },
    };
    refresh();
    const block = blockRange();
    if (block) announce(t('products.block.selected', { size: sizeOf(block) }));
  }

  const clear = () => {
    const hadBlock = ends !== null;
    ends = null;
    refresh();
    return hadBlock;
  };

  /** @returns {Cell | null} */
  const anchor = () => {
    const row = ends && rowById(ends.anchor.id);
    return row && ends ? { row, column: ends.anchor.column } : focused();
  };

  body.addEventListener('mousedown', (event) => {
    if (event.button !== 0 || isOff() || closestTo(event, '.cell-overlay')) return;
    const cell = rowOf(event) ? cellOf(event) : null;
    const start = anchor();
    if (cell && start && event.shiftKey) {
      // The browser would select text.
      event.preventDefault();
      select(start, cell.row, cell.column);
      return;
    }
    clear();
    dragStart = closestTo(event, 'button, a') ? null : cell;
    document.addEventListener('mouseup', endDrag, { once: true });
  });
  body.addEventListener('mousemove', (event) => {
    if (!dragStart) return;
    if (event.buttons % 2 === 0) return endDrag();
    const cell = cellOf(event);
    // Within one cell, a drag selects text.
    const isStart = cell && cell.row === dragStart.row && cell.column === dragStart.column;
    if (!cell || (isStart && !ends)) return undefined;
    scroller.classList.add('is-selecting');
    select(dragStart, cell.row, cell.column);
    return cell.row.element.scrollIntoView({ block: 'nearest' });
  });

  function endDrag() {
    dragStart = null;
    scroller.classList.remove('is-selecting');
  }

  body.addEventListener('keydown', (event) => {
    const isSelectAll = event.key === 'a' && event.ctrlKey !== event.metaKey && !event.altKey && !event.shiftKey;
    const cell = focused();
    const [first, last] = [rowsInOrder()[0], rowsInOrder().at(-1)];
    const [left, right] = [columns()[0], columns().at(-1)];
    if (!isSelectAll || !cell || !first || !last || !left || !right) return;
    event.preventDefault();
    select({ row: first, column: left }, last, right);
  });
  body.addEventListener('focusout', ({ relatedTarget }) => {
    if (!(relatedTarget instanceof Element) || relatedTarget.closest('dialog')) return;
    if (!scroller.contains(relatedTarget) || relatedTarget.closest('.cell-overlay')) clear();
  });

  return {
    head() {
      const row = ends && rowById(ends.head.id);
      return row && ends ? { row, column: ends.head.column } : focused();
    },
    extend(row, column) {
      const start = anchor();
      if (start) select(start, row, column);
    },
    clear,
    refresh,
    range,
    columns,
  };
}

/**
 * @param {HTMLElement} cell
 * @param {boolean} isInBlock
 */
function mark(cell, isInBlock) {
  cell.classList.toggle('is-in-block', isInBlock);
  if (isInBlock) cell.setAttribute('aria-selected', 'true');
  else cell.removeAttribute('aria-selected');
}

/** @param {CellRange} range @returns {string} such as "3 rows × 2 columns", or "1 cell" */
export function sizeOf({ rows, columns }) {
  if (rows.length * columns.length === 1) return t('products.block.cell');
  return t('products.block.size', { rows: rows.length, columns: columns.length });
}

/** @param {number[]} numbers */
const sorted = (numbers) => numbers.toSorted((one, other) => one - other);
