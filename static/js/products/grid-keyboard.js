// The keyboard in the grid, after the WAI-ARIA pattern: one Tab stop, arrows between the cells.

import { TEXT_FIELDS } from './row.js';

const HEADER_PX = 36;

/**
 * @param {object} options
 * @param {HTMLElement} options.body
 * @param {HTMLElement} options.scroller
 * @param {(target: Element) => import('./row.js').Row|undefined} options.rowOf
 * @param {() => import('./row.js').Row[]} options.rowsInOrder
 * @returns {{refresh: () => void, focus: (id?: number, column?: string) => void, focusNear: (index: number) => void}}
 *   refresh: after rows came or went; focus: to a cell, or to the one that had it; focusNear: to the row at this place
 * or the last one
 */
export function installGridKeys({ body, scroller, rowOf, rowsInOrder, onEdit, onOpen, onSelect }) {
  const place = { id: null, column: 'sku' };
  let stop = null;

  const focusAt = (row, column) => {
    if (!row) return;
    setStop(row, column);
    stop.focus({ preventScroll: true });
    row.element.scrollIntoView({ block: 'nearest' });
  };

  function setStop(row, column) {
    if (stop) stop.tabIndex = -1;
    Object.assign(place, { id: row?.product.id ?? null, column });
    stop = row ? row.focusable(column) : null;
    if (stop) stop.tabIndex = 0;
  }

  const refresh = () => {
    const rows = rowsInOrder();
    setStop(rows.find((row) => row.product.id === place.id) ?? rows[0], place.column);
  };
  const focus = (id = place.id, column = place.column) => {
    const rows = rowsInOrder();
    focusAt(rows.find((row) => row.product.id === id) ?? rows[0], column);
  };
  const focusNear = (index) => {
    const rows = rowsInOrder();
    focusAt(rows[Math.min(index, rows.length - 1)], place.column);
  };

  body.addEventListener('focusin', (event) => {
    const row = rowOf(event.target);
    const column = event.target.closest('td')?.dataset.column;
    if (row && column) setStop(row, column);
  });

  body.addEventListener('keydown', (event) => {
    const row = rowOf(event.target);
    const column = event.target.closest('td')?.dataset.column;
    if (!row || !column || event.altKey || event.metaKey || event.target.closest('.cell-overlay')) return;
    const rows = rowsInOrder();
    const target = destination(event, rows, rows.indexOf(row), column, row);
    if (target) focusAt(rows[target.index], target.column);
    else if (!act(event, row, column)) return;
    event.preventDefault();
  });

  // Some browsers tick a check box when Space comes up, whatever became of its going down.
  body.addEventListener(
    'keyup',
    (event) => event.key === ' ' && event.target.matches('.checkbox') && event.preventDefault(),
  );

  function destination(event, rows, index, column, row) {
    const columns = Object.keys(row.cells).filter((name) => row.cells[name].checkVisibility());
    const at = columns.indexOf(column);
    const last = rows.length - 1;
    const page = Math.max(1, Math.floor((scroller.clientHeight - HEADER_PX) / row.element.offsetHeight) - 1);
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

  function act(event, row, column) {
    const isWidget = event.target.matches('button');
    if (event.ctrlKey) return false;
    if ((event.key === 'Enter' || event.key === 'F2') && TEXT_FIELDS.includes(column)) onEdit(row, column);
    else if (event.key === 'Enter' && column === 'select') onSelect(row, { range: event.shiftKey });
    else if (event.key === ' ' && !isWidget) onSelect(row, { range: event.shiftKey });
    else if (event.key === 'o') onOpen(row);
    else return false;
    return true;
  }

  return { refresh, focus, focusNear };
}
