// The table of products: sortable headings, rows that stay while their product is shown, and loading states.

import { arrange, closestTo, fill, h } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { may } from '../core/session.js';
import { createCellBlock } from './cell-block.js';
import { createColumnWidths } from './column-widths.js';
import { installGridKeyboard } from './grid-keyboard.js';
import { createProductRow, isTextField } from './row.js';
import { NO_WORDS } from './search-terms.js';

/** @import { Child } from '../core/dom.js' */
/** @import { Product } from '../core/types.d.ts' */
/** @import { TextField } from './edit-conflict.js' */
/** @import { Sort } from './query.js' */
/** @import { ColumnName, Layout } from './layout.js' */
/** @import { Row } from './row.js' */
/** @import { FieldWords } from './search-terms.js' */
/** @import { Widths } from './width-plan.js' */

/** @typedef {{id: ColumnName, label: string, look: string, newestFirst?: boolean}} HeadingOptions */

/** @type {HeadingOptions[]} */
const COLUMNS = [
  { id: 'sku', label: t('products.field.sku'), look: 'col-sku' },
  { id: 'name', label: t('products.field.name'), look: 'col-name' },
  { id: 'description', label: t('products.field.description'), look: 'col-description wide' },
  { id: 'active', label: t('products.field.active'), look: 'col-active' },
  // People who sort by time want the latest changes first.
  { id: 'updated_at', label: t('products.field.updated'), look: 'col-updated', newestFirst: true },
];
const SKELETON_ROWS = 14;
const NARROW = window.matchMedia('(width < 720px)');

/**
 * Create the table.
 * @param {object} actions
 * @param {(sort: Sort | null) => void} actions.onSort null for the default order of the server
 * @param {(row: Row, field: TextField) => void} actions.onEdit
 * @param {(row: Row) => void} actions.onToggle
 * @param {(row: Row) => void} actions.onOpen
 * @param {(row: Row, options: {range: boolean}) => void} actions.onSelect
 * @param {(selected: boolean) => void} actions.onSelectPage
 * @param {(row: Row) => void} actions.onRemoved called before a row leaves the table
 * @param {(widths: Widths) => void} actions.onWidths called after somebody has changed the width of a column
 */
export function createProductGrid(actions) {
  /** @type {Map<number, Row>} In the order of the page */
  let rows = new Map();
  const body = h('tbody');
  const selectPage = h('input', {
    type: 'checkbox',
    class: 'checkbox',
    'aria-label': t('products.selection.all_on_page'),
    data: { testid: 'select-page' },
  });
  selectPage.addEventListener('change', () => actions.onSelectPage(selectPage.checked));
  const element = h('div', { class: 'table-scroll' });
  const widths = createColumnWidths(element, actions.onWidths);
  /** @param {Sort | null} sort */
  const onSort = (sort) => {
    // The address follows later. A second press that comes before it counts from what the first one chose.
    showSort(sort);
    actions.onSort(sort);
  };
  const headings = COLUMNS.map((column) => {
    const heading = createHeading(column, onSort);
    if (isTextField(column.id)) heading.element.append(widths.handle(column.id, column.label));
    return heading;
  });
  const table = h(
    'table',
    {
      class: `table table-products ${may('products:write') ? '' : 'is-read-only'}`.trim(),
      role: 'grid',
      'aria-multiselectable': 'true',
      'aria-label': t('products.title'),
      data: { testid: 'products-table' },
    },
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        h('th', { scope: 'col', class: 'col-select' }, h('label', { class: 'hit' }, selectPage)),
        headings.map((entry) => entry.element),
        h('th', { scope: 'col', class: 'col-open' }, h('span', { class: 'visually-hidden', text: t('products.open') })),
      ),
    ),
    body,
  );
  element.append(table);
  /** @param {Event} event */
  const rowOf = (event) => rows.get(Number(closestTo(event, 'tr')?.dataset.id));
  const rowsInOrder = () => [...rows.values()];
  // The width of the descriptions decides which part of them is in view.
  const resizeObserver = new ResizeObserver(() => rows.forEach((row) => row.fit()));
  headings.forEach((heading) => resizeObserver.observe(heading.element));
  const block = createCellBlock({ body, scroller: element, rowOf, rowsInOrder, isOff: () => NARROW.matches });
  const keys = installGridKeyboard({ body, scroller: element, rowOf, rowsInOrder, block, ...actions });

  body.addEventListener('click', (event) => {
    const row = rowOf(event);
    if (!row || closestTo(event, '.cell-overlay')) return;
    const checkbox = closestTo(event, '.checkbox');
    if (closestTo(event, '.row-open')) {
      // With a key, the browser opens the address in a new tab or window.
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      actions.onOpen(row);
    } else if (closestTo(event, '.switch')) actions.onToggle(row);
    else if (checkbox) {
      checkbox.focus({ preventScroll: true });
      actions.onSelect(row, { range: event.shiftKey });
    } else if (NARROW.matches && closestTo(event, '.cell-edit') && window.getSelection()?.isCollapsed) {
      actions.onOpen(row);
    }
  });
  body.addEventListener('dblclick', (event) => {
    const row = rowOf(event);
    const field = closestTo(event, 'td')?.dataset.column;
    if (NARROW.matches || !row || !isTextField(field) || closestTo(event, '.cell-overlay')) return;
    window.getSelection()?.removeAllRanges();
    actions.onEdit(row, field);
  });
  // A click with Shift selects a range of rows, not text.
  body.addEventListener(
    'mousedown',
    (event) => event.shiftKey && closestTo(event, '.col-select') && event.preventDefault(),
  );

  /**
   * Show products. Rows of products that stay keep their elements.
   * @param {Product[]} products
   * @param {object} [options]
   * @param {boolean} [options.fromTop] scroll to the first row
   * @param {FieldWords} [options.words] to highlight
   * @param {(id: number) => string} [options.addressOf] returns the address of a product's dialog
   */
  const show = (products, { fromTop = false, words = NO_WORDS, addressOf = () => '' } = {}) => {
    if (!rows.size) fill(body);
    const wanted = new Set(products.map((product) => product.id));
    for (const [id, row] of rows) {
      if (wanted.has(id)) continue;
      rows.delete(id);
      actions.onRemoved(row);
      row.element.remove();
    }
    rows = new Map(products.map((product) => [product.id, rows.get(product.id) ?? createProductRow(product)]));
    for (const product of products) {
      const row = rows.get(product.id);
      row?.update(product);
      row?.highlight(words);
      row?.link(addressOf(product.id));
    }
    arrange(
      body,
      rowsInOrder().map((row) => row.element),
    );
    element.removeAttribute('aria-busy');
    if (!table.isConnected) fill(element, table);
    if (fromTop) element.scrollTop = 0;
    widths.fit();
    if (fromTop) block.clear();
    else block.refresh();
    keys.refresh();
  };
  // The first load shows skeleton rows. Later loads keep the old rows, so that nothing jumps.
  const showLoading = () => {
    element.setAttribute('aria-busy', 'true');
    if (!body.childElementCount) fill(body, Array.from({ length: SKELETON_ROWS }, skeletonRow));
    if (!table.isConnected && !element.childElementCount) fill(element, table);
  };
  /** @param {Child} content */
  const showInstead = (content) => {
    show([]);
    fill(element, content);
  };
  // Old rows stay readable after a failure; skeletons would suggest that something is loading.
  const showFailure = () => {
    element.removeAttribute('aria-busy');
    if (!rows.size) fill(body);
  };
  /** @param {Sort | null} sort */
  const showSort = (sort) => headings.forEach((entry) => entry.show(sort));
  /** @param {Layout} layout */
  const showLayout = ({ columns, widths: chosen }) => {
    for (const { id } of COLUMNS) table.classList.toggle(`hides-${id}`, columns !== null && !columns.includes(id));
    widths.set(chosen);
    keys.refresh();
  };
  /** @param {(id: number) => boolean} has */
  const showSelection = (has) => {
    for (const [id, row] of rows) row.select(has(id));
    const count = [...rows.keys()].filter(has).length;
    selectPage.checked = rows.size > 0 && count === rows.size;
    selectPage.indeterminate = count > 0 && count < rows.size;
    selectPage.disabled = rows.size === 0;
  };
  return {
    element,
    show,
    showLoading,
    showInstead,
    showFailure,
    showSort,
    showLayout,
    showSelection,
    focus: keys.focus,
    focusNear: keys.focusNear,
    block,
    /** @param {number} id */
    row: (id) => rows.get(id),
    rowsInOrder,
    products: () => rowsInOrder().map((row) => row.product),
  };
}

/**
 * @param {HeadingOptions} options
 * @param {(sort: Sort | null) => void} onSort
 * @returns {{element: HTMLElement, show: (sort: Sort | null) => void}}
 */
function createHeading({ id, label, look, newestFirst }, onSort) {
  // The server does not sort by description.
  if (id === 'description') return { element: h('th', { scope: 'col', class: look, text: label }), show: () => {} };
  const arrow = h('span', { class: 'sort-arrow' });
  /** @type {('asc' | 'desc' | null)[]} */
  const steps = newestFirst ? [null, 'desc', 'asc'] : [null, 'asc', 'desc'];
  /** @type {'asc' | 'desc' | null} */
  let order = null;
  const next = () => steps[steps.indexOf(order) + 1] ?? null;
  const sortNext = () => {
    const wanted = next();
    onSort(wanted ? { by: id, order: wanted } : null);
  };
  const button = h(
    'button',
    {
      class: 'sort-button',
      type: 'button',
      data: { testid: `sort-${id}` },
      on: { click: sortNext },
    },
    label,
    arrow,
  );
  const element = h('th', { scope: 'col', class: look, 'aria-sort': 'none' }, button);
  /** @param {Sort | null} sort */
  const show = (sort) => {
    order = sort?.by === id ? sort.order : null;
    element.setAttribute('aria-sort', order ? `${order}ending` : 'none');
    fill(arrow, order ? icon(order === 'asc' ? 'ascending' : 'descending') : null);
  };
  return { element, show };
}

function skeletonRow() {
  const looks = ['col-select', ...COLUMNS.map((column) => column.look), 'col-open'];
  return h(
    'tr',
    { 'aria-hidden': 'true', data: { testid: 'skeleton-row' } },
    looks.map((look) => h('td', { class: look }, h('span', { class: 'skeleton' }))),
  );
}
