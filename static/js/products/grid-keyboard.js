// Keyboard navigation in the grid (WAI-ARIA grid pattern): one Tab stop, arrow keys between the cells.

import { closestTo } from '../core/dom.js';
import { isBlockColumn } from './cell-block.js';
import { isTextField } from './row.js';

/** @import { CellBlock } from './cell-block.js' */
/** @import { TextField } from './edit-conflict.js' */
/** @import { Column, Row } from './row.js' */

const HEADER_PX = 36;

/**
 * @typedef {object} GridKeyboard
 * @property {() => void} refresh Update the Tab stop after rows were added or removed.
 * @property {(id?: number | null, column?: Column) => void} focus Focus a cell; by default the last focused one.
 * @property {(index: number) => void} focusNear Focus the row at this index, or the last row.
 */

/**
 * Install the keyboard navigation.
 * @param {object} options
 * @param {HTMLElement} options.body
 * @param {HTMLElement} options.scroller
 * @param {(event: Event) => Row | undefined} options.rowOf the row that an event came from
 * @param {() => Row[]} options.rowsInOrder
 * @param {CellBlock} options.block
 * @param {(row: Row, field: TextField) => void} options.onEdit
 * @param {(row: Row) => void} options.onOpen
 * @param {(row: Row, options: {range: boolean}) => void} options.onSelect
 * @returns {GridKeyboard}
 */
export function installGridKeyboard({ body, scroller, rowOf, rowsInOrder, block, onEdit, onOpen, onSelect }) {
  /** @type {{id: number | null, column: Column}} */
  const place = { id: null, column: 'sku' };
  /** @type {HTMLElement | null} */
  let stop = null;

  /**
   * @param {Row | undefined} row
   * @param {Column} column
   */
  const focusAt = (row, column) => {
    if (!row) return;
    setStop(row, column);
    stop?.focus({ preventScroll: true });
    row.element.scrollIntoView({ block: 'nearest' });
  };

  /**
   * @param {Row | undefined} row
   * @param {Column} column
   */
  function setStop(row, column) {
    if (stop) stop.tabIndex = -1;
    Object.assign(place, { id: row?.product.id ?? null, column });
    stop = row ? row.focusable(column) : null;
    if (stop) stop.tabIndex = 0;
  }

  const refresh = () => {
    const rows = rowsInOrder();
    const row = rows.find(({ product }) => product.id === place.id) ?? rows[0];
    // A view may have hidden the column.
    setStop(row, !row || row.cells[place.column].checkVisibility() ? place.column : 'sku');
  };
  /**
   * @param {number | null} [id]
   * @param {Column} [column]
   */
  const focus = (id = place.id, column = place.column) => {
    const rows = rowsInOrder();
    focusAt(rows.find((row) => row.product.id === id) ?? rows[0], column);
  };
  /** @param {number} index */
  const focusNear = (index) => {
    const rows = rowsInOrder();
    focusAt(rows[Math.min(index, rows.length - 1)], place.column);
  };

  body.addEventListener('focusin', (event) => {
    const row = rowOf(event);
    const column = columnOf(event);
    if (row && column) setStop(row, column);
  });

  body.addEventListener('keydown', (event) => {
    const row = rowOf(event);
    const column = columnOf(event);
    if (!row || !column || event.altKey || event.metaKey || closestTo(event, '.cell-overlay')) return;
    if (event.shiftKey && isBlockColumn(column) ? !extendBlock(event) : !move(event, row, column)) {
      if (!act(event, row, column)) return;
    }
    event.preventDefault();
  });

  /**
   * @param {KeyboardEvent} event
   * @param {Row} row
   * @param {Column} column
   * @returns {boolean} whether the key moves the focus
   */
  function move(event, row, column) {
    const rows = rowsInOrder();
    const target = destination(event, rows, rows.indexOf(row), column, row);
    if (!target) return false;
    block.clear();
    focusAt(rows[target.index], target.column);
    return true;
  }

  /**
   * @param {KeyboardEvent} event
   * @returns {boolean} whether the key extends the block; the focus stays at its start
   */
  function extendBlock(event) {
    const head = block.head();
    if (!head) return false;
    const rows = rowsInOrder();
    const target = destination(event, rows, rows.indexOf(head.row), head.column, head.row);
    const row = target && rows[target.index];
    if (!row) return false;
    block.extend(row, target.column);
    row.element.scrollIntoView({ block: 'nearest' });
    return true;
  }

  // Some browsers toggle a checkbox when Space is released, even if its keydown was prevented.
  body.addEventListener(
    'keyup',
    (event) => event.key === ' ' && closestTo(event, '.checkbox') && event.preventDefault(),
  );

  /**
   * @param {KeyboardEvent} event
   * @param {Row[]} rows
   * @param {number} index
   * @param {Column} column
   * @param {Row} row
   */
  function destination(event, rows, index, column, row) {
    const columns = row.columns.filter((name) => row.cells[name].checkVisibility());
    const at = columns.indexOf(column);
    const last = rows.length - 1;
    const page = Math.max(1, Math.floor((scroller.clientHeight - HEADER_PX) / row.element.offsetHeight) - 1);
    /**
     * @param {number} wanted
     * @param {Column} [name]
     */
    const to = (wanted, name = column) => ({ index: Math.min(last, Math.max(0, wanted)), column: name });
    switch (event.key) {
      case 'ArrowUp':
        return to(index - 1);
      case 'ArrowDown':
        return to(index + 1);
      case 'ArrowLeft':
        return to(index, columns[Math.max(0, at - 1)]);
      case 'ArrowRight':
        return to(index, columns[Math.min(columns.length - 1, at + 1)]);
      case 'PageUp':
        return to(index - page);
      case 'PageDown':
        return to(index + page);
      case 'Home':
        return event.ctrlKey ? to(0, columns[0]) : to(index, columns[0]);
      case 'End':
        return event.ctrlKey ? to(last, columns.at(-1)) : to(index, columns.at(-1));
      default:
        return null;
    }
  }

  /**
   * @param {KeyboardEvent} event
   * @param {Row} row
   * @param {Column} column
   */
  function act(event, row, column) {
    const isWidget = closestTo(event, 'a, button') !== null;
    if (event.ctrlKey) return false;
    if (event.key === 'Escape') return block.clear();
    if ((event.key === 'Enter' || event.key === 'F2') && isTextField(column)) onEdit(row, column);
    else if (event.key === 'Enter' && column === 'select') onSelect(row, { range: event.shiftKey });
    else if (event.key === ' ' && !isWidget) onSelect(row, { range: event.shiftKey });
    else if (event.key === 'o') onOpen(row);
    else return false;
    return true;
  }

  return { refresh, focus, focusNear };
}

/**
 * @param {Event} event
 * @returns {Column | undefined} the column of the cell that an event came from
 */
function columnOf(event) {
  return /** @type {Column | undefined} */ (closestTo(event, 'td')?.dataset.column);
}
