// The table of products: headings that sort, rows that stay as long as their product is shown, and the states around
// them.

import { fill, h } from '../core/dom.js';
import { icon } from '../core/icons.js';
import { installGridKeys } from './grid-keyboard.js';
import { TEXT_FIELDS, productRow } from './row.js';

const COLUMNS = [
  { id: 'sku', label: 'SKU', look: 'col-sku' },
  { id: 'name', label: 'Name', look: 'col-name' },
  { id: 'description', label: 'Description', look: 'col-description wide', plain: true },
  { id: 'active', label: 'Active', look: 'col-active' },
  // What changed last is what people look for by time.
  { id: 'updated_at', label: 'Updated', look: 'col-updated', newestFirst: true },
];
const SKELETON_ROWS = 14;
const NARROW = window.matchMedia('(width < 720px)');

/**
 * @param {object} actions
 * @param {(sort: {by: string, order: string}|null) => void} actions.onSort null: the order of the server
 * @param {(row: import('./row.js').Row, field: string) => void} actions.onEdit
 * @param {(row: import('./row.js').Row) => void} actions.onToggle
 * @param {(row: import('./row.js').Row) => void} actions.onOpen
 * @param {(row: import('./row.js').Row, options: {range: boolean}) => void} actions.onSelect
 * @param {(selected: boolean) => void} actions.onSelectPage
 * @param {(row: import('./row.js').Row) => void} actions.onRemoved a row that is no longer shown
 */
export function productGrid(actions) {
  const rows = new Map();
  let order = [];
  const body = h('tbody');
  const selectPage = h('input', {
    type: 'checkbox',
    class: 'checkbox',
    'aria-label': 'Select all on this page',
    data: { testid: 'select-page' },
  });
  selectPage.addEventListener('change', () => actions.onSelectPage(selectPage.checked));
  const headings = COLUMNS.map((column) => heading(column, actions.onSort));
  const table = h(
    'table',
    {
      class: 'table table-products',
      role: 'grid',
      'aria-multiselectable': 'true',
      'aria-label': 'Products',
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
        h('th', { scope: 'col', class: 'col-open' }, h('span', { class: 'visually-hidden', text: 'Open' })),
      ),
    ),
    body,
  );
  const element = h('div', { class: 'table-scroll' }, table);
  const rowOf = (target) => rows.get(Number(target.closest('tr')?.dataset.id));
  const rowsInOrder = () => order.map((id) => rows.get(id));
  const keys = installGridKeys({ body, scroller: element, rowOf, rowsInOrder, ...actions });

  body.addEventListener('click', (event) => {
    const row = rowOf(event.target);
    if (!row || event.target.closest('.cell-overlay')) return;
    if (event.target.closest('.row-open')) actions.onOpen(row);
    else if (event.target.closest('.switch')) actions.onToggle(row);
    else if (event.target.matches('.checkbox')) select(row, event);
    else if (NARROW.matches && event.target.closest('.cell-edit') && window.getSelection().isCollapsed) {
      actions.onOpen(row);
    }
  });
  body.addEventListener('dblclick', (event) => {
    const field = event.target.closest('td')?.dataset.column;
    if (NARROW.matches || !TEXT_FIELDS.includes(field) || event.target.closest('.cell-overlay')) return;
    window.getSelection().removeAllRanges();
    actions.onEdit(rowOf(event.target), field);
  });
  const select = (row, event) => {
    event.target.focus({ preventScroll: true });
    actions.onSelect(row, { range: event.shiftKey });
  };
  // A click with Shift means a range, not a selection of text.
  body.addEventListener(
    'mousedown',
    (event) => event.shiftKey && event.target.closest('.col-select') && event.preventDefault(),
  );

  /** Shows these products; rows that stay are left where they are. */
  const show = (products, { fromTop = false } = {}) => {
    if (!rows.size) fill(body);
    const wanted = new Set(products.map((product) => product.id));
    for (const [id, row] of rows) {
      if (wanted.has(id)) continue;
      rows.delete(id);
      actions.onRemoved(row);
      row.element.remove();
    }
    order = products.map((product) => product.id);
    let before = body.firstElementChild;
    for (const product of products) {
      const row = rows.get(product.id) ?? productRow(product);
      row.update(product);
      rows.set(product.id, row);
      if (row.element === before) before = before.nextElementSibling;
      else body.insertBefore(row.element, before);
    }
    element.removeAttribute('aria-busy');
    if (!table.isConnected) fill(element, table);
    if (fromTop) element.scrollTop = 0;
    keys.refresh();
  };
  // The first load has skeleton rows; later ones keep the old rows, so that nothing jumps.
  const showLoading = () => {
    element.setAttribute('aria-busy', 'true');
    if (!body.childElementCount) fill(body, Array.from({ length: SKELETON_ROWS }, skeletonRow));
    if (!table.isConnected && !element.childElementCount) fill(element, table);
  };
  const showInstead = (content) => {
    show([]);
    fill(element, content);
  };
  // Old rows stay readable; skeletons would promise something that does not come.
  const showFailure = () => {
    element.removeAttribute('aria-busy');
    if (!rows.size) fill(body);
  };
  const showSort = (sort) => headings.forEach((entry) => entry.show(sort));
  const showSelection = (has) => {
    for (const [id, row] of rows) row.select(has(id));
    const count = order.filter(has).length;
    selectPage.checked = order.length > 0 && count === order.length;
    selectPage.indeterminate = count > 0 && count < order.length;
    selectPage.disabled = order.length === 0;
  };
  return {
    element,
    show,
    showLoading,
    showInstead,
    showFailure,
    showSort,
    showSelection,
    focus: keys.focus,
    focusNear: keys.focusNear,
    row: (id) => rows.get(id),
    rowsInOrder,
    products: () => rowsInOrder().map((row) => row.product),
  };
}

function heading({ id, label, look, plain, newestFirst }, onSort) {
  if (plain) return { element: h('th', { scope: 'col', class: look, text: label }), show: () => {} };
  const arrow = h('span', { class: 'sort-arrow' });
  const steps = newestFirst ? ['desc', 'asc'] : ['asc', 'desc'];
  let order = null;
  const next = () => (order === null ? steps[0] : (steps[steps.indexOf(order) + 1] ?? null));
  const button = h(
    'button',
    {
      class: 'sort-button',
      type: 'button',
      data: { testid: `sort-${id}` },
      on: { click: () => onSort(next() ? { by: id, order: next() } : null) },
    },
    label,
    arrow,
  );
  const element = h('th', { scope: 'col', class: look, 'aria-sort': 'none' }, button);
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
