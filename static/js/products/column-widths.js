// Columns of the product table that fit their content, and the handles that change their widths.

import { h } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { MAX_PX, MIN_PX, boundWidth, planWidths } from './width-plan.js';

/** @import { SizedColumn, Widths } from './width-plan.js' */

const STEP_PX = 16;
/** The padding of a cell, and some room for rounding. */
const PADDING_PX = 26;
const LAST_COLUMN_PX = 48;
/** A description may have thousands of characters. */
const LARGEST_FIT_PX = 800;
/** @type {SizedColumn[]} */
const COLUMNS = ['sku', 'name', 'description'];

/**
 * @typedef {object} ColumnWidths
 * @property {(column: SizedColumn, label: string) => HTMLElement} handle Create the handle at the end of a heading.
 * @property {() => void} fit Fit the columns to the rows that are shown. They only become wider, so that turning pages
 *   moves little.
 * @property {(widths: Widths) => void} set Give columns the widths that were chosen earlier; the others fit.
 */

/**
 * Create the widths of a table.
 * @param {HTMLElement} scroller the element around the table
 * @param {(widths: Widths) => void} onChosen called with all chosen widths after somebody has chosen one
 * @returns {ColumnWidths}
 */
export function createColumnWidths(scroller, onChosen) {
  /** @type {Widths} */
  let chosen = {};
  /** @type {Widths} */
  const natural = {};
  /** @type {Map<SizedColumn, HTMLElement>} */
  const handles = new Map();

  /** @param {SizedColumn} column */
  const headOf = (column) => scroller.querySelector(`th.col-${column}`);
  /** @param {SizedColumn} column */
  const isShown = (column) => headOf(column)?.checkVisibility() ?? false;
  /** @param {SizedColumn} column */
  const widthOf = (column) => headOf(column)?.getBoundingClientRect().width ?? 0;

  function apply() {
    const table = scroller.querySelector('table');
    const columns = COLUMNS.filter(isShown);
    if (!table || !columns.length) return;
    const others = [...table.querySelectorAll('th:is(.col-select, .col-active, .col-updated)')];
    const othersPx = others.reduce((total, { clientWidth }) => total + clientWidth, LAST_COLUMN_PX);
    const roomPx = scroller.clientWidth - othersPx;
    const { widths, totalPx } = planWidths({ columns, roomPx, natural, chosen });
    const last = columns.at(-1);
    // The last of these columns takes what is left. If its width was chosen, the column of the buttons takes it.
    const isLastChosen = last !== undefined && chosen[last] !== undefined;
    for (const column of columns) {
      const width = column === last && !isLastChosen ? 'auto' : `${widths[column]}px`;
      table.style.setProperty(`--width-${column}`, width);
    }
    table.style.setProperty('--width-open', isLastChosen ? 'auto' : `${LAST_COLUMN_PX}px`);
    table.style.setProperty('--table-width', `${totalPx + othersPx}px`);
    for (const [column, element] of handles) element.setAttribute('aria-valuenow', String(boundWidth(widths[column])));
  }

  /** @param {SizedColumn} column */
  function contentWidth(column) {
    const range = document.createRange();
    let widest = 0;
    for (const text of scroller.querySelectorAll(`.cell-text.${column}`)) {
      range.selectNodeContents(text);
      widest = Math.max(widest, range.getBoundingClientRect().width);
    }
    return widest ? Math.ceil(widest) + PADDING_PX : 0;
  }

  function fit() {
    for (const column of COLUMNS) natural[column] = Math.max(natural[column] ?? 0, contentWidth(column));
    apply();
  }

  /**
   * @param {SizedColumn} column
   * @param {number} width
   */
  function choose(column, width) {
    chosen[column] = boundWidth(width);
    apply();
  }

  /** @param {SizedColumn} column */
  function fitOne(column) {
    choose(column, Math.min(LARGEST_FIT_PX, contentWidth(column)));
    onChosen({ ...chosen });
  }

  /**
   * @param {SizedColumn} column
   * @param {string} label
   */
  function handle(column, label) {
    /** @type {{x: number, width: number} | null} */
    let start = null;
    const element = h('span', {
      class: 'column-handle',
      role: 'separator',
      tabindex: '0',
      'aria-orientation': 'vertical',
      'aria-label': t('products.width.label', { column: label }),
      'aria-valuemin': MIN_PX,
      'aria-valuemax': MAX_PX,
      'aria-valuenow': MIN_PX,
      title: t('products.width.hint'),
      data: { testid: `width-${column}` },
    });
    element.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      element.setPointerCapture(event.pointerId);
      start = { x: event.clientX, width: widthOf(column) };
    });
    element.addEventListener('pointermove', (event) => {
      // A double click moves the pointer by no pixel, and must not choose the width that the column has.
      if (start && event.clientX !== start.x) choose(column, start.width + event.clientX - start.x);
    });
    const stop = () => {
      if (start) onChosen({ ...chosen });
      start = null;
    };
    element.addEventListener('pointerup', stop);
    element.addEventListener('lostpointercapture', stop);
    element.addEventListener('dblclick', () => fitOne(column));
    element.addEventListener('keydown', (event) => {
      const step = { ArrowLeft: -STEP_PX, ArrowRight: STEP_PX }[event.key];
      if (event.key === 'Enter') fitOne(column);
      else if (!step) return;
      else {
        choose(column, (chosen[column] ?? widthOf(column)) + step);
        onChosen({ ...chosen });
      }
      event.preventDefault();
    });
    handles.set(column, element);
    return element;
  }

  /** @param {Widths} widths */
  function set(widths) {
    chosen = { ...widths };
    fit();
  }

  new ResizeObserver(apply).observe(scroller);
  return { handle, fit, set };
}
