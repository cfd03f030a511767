// One row of the products' table. It keeps its elements as long as its product is shown, and with them focus and
// editors.

import { fill, h, setText } from '../core/dom.js';
import { oneLine } from '../core/format.js';
import { icon } from '../core/icons.js';
import { timeElement } from '../core/widgets.js';

const TITLE_CHARACTERS = 1_000;
const SAVED_MS = 2_000;
const STATES = { saving: ['arc', 'Saving…'], saved: ['check', 'Saved'], failed: ['alert', 'Not saved'] };

export const TEXT_FIELDS = ['sku', 'name', 'description'];

/**
 * @typedef {object} Row
 * @property {HTMLTableRowElement} element
 * @property {object} product the product as the server last gave it to us
 * @property {Record<string, HTMLTableCellElement>} cells by column
 * @property {(product: object) => void} update takes a newer version of the product; older ones are ignored
 * @property {(field: string, value: any) => void} expect shows a value that is on its way to the server; undefined ends
 *   that
 * @property {(field: string) => any} value what is shown of a field
 * @property {(field: string, state: ''|'saving'|'saved'|'failed') => void} setState
 * @property {(selected: boolean) => void} select
 * @property {(column: string) => HTMLElement} focusable what takes the focus in a column
 */

/** @param {object} product @returns {Row} */
export function productRow(product) {
  const checkbox = h('input', { type: 'checkbox', class: 'checkbox', tabindex: '-1', data: { testid: 'select-row' } });
  const toggle = h(
    'button',
    { class: 'switch', type: 'button', role: 'switch', tabindex: '-1' },
    h('span', { class: 'switch-knob' }),
  );
  const open = h(
    'button',
    { class: 'icon-button row-open', type: 'button', tabindex: '-1', data: { testid: 'product-open' } },
    icon('open'),
  );
  const texts = Object.fromEntries(
    TEXT_FIELDS.map((field) => [field, h('span', { class: `cell-text ${field}`, dir: 'auto' })]),
  );
  const updated = h('span', { class: 'cell-updated' });
  const textCell = (field, name) =>
    h(
      'td',
      { class: `cell-edit ${name}`, tabindex: '-1', data: { testid: `cell-${field}`, column: field } },
      texts[field],
    );
  const cells = {
    select: h('td', { class: 'col-select', data: { column: 'select' } }, h('label', { class: 'hit' }, checkbox)),
    sku: textCell('sku', 'col-sku'),
    name: textCell('name', 'col-name'),
    description: textCell('description', 'col-description wide'),
    active: h('td', { class: 'col-active', data: { testid: 'cell-active', column: 'active' } }, toggle),
    updated_at: h('td', { class: 'col-updated', tabindex: '-1', data: { column: 'updated_at' } }, updated),
    open: h('td', { class: 'col-open', data: { column: 'open' } }, open),
  };
  const element = h(
    'tr',
    { class: 'product-row', 'aria-selected': 'false', data: { testid: 'product-row', id: String(product.id) } },
    Object.values(cells),
  );
  const expected = new Map();
  const states = new Map();
  let savedTimer = 0;
  const widgets = { select: checkbox, active: toggle, open };
  const row = {
    element,
    cells,
    product,
    update(latest) {
      if (latest.updated_at >= row.product.updated_at) row.product = latest;
      show();
    },
    expect(field, value) {
      if (value === undefined) expected.delete(field);
      else expected.set(field, value);
      show();
    },
    value: (field) => (expected.has(field) ? expected.get(field) : row.product[field]),
    setState(field, state) {
      clearTimeout(savedTimer);
      if (state) states.set(field, state);
      else states.delete(field);
      showState();
      if (state === 'saved') savedTimer = setTimeout(endSaved, SAVED_MS);
    },
    select(selected) {
      checkbox.checked = selected;
      element.setAttribute('aria-selected', String(selected));
    },
    focusable: (column) => widgets[column] ?? cells[column],
  };

  function endSaved() {
    for (const [field, state] of states) if (state === 'saved') states.delete(field);
    showState();
  }

  function show() {
    const shown = { ...row.product, ...Object.fromEntries(expected) };
    for (const field of TEXT_FIELDS) {
      const text = oneLine(shown[field]);
      setText(texts[field], text);
      cells[field].title = text.length > 20 ? shown[field].slice(0, TITLE_CHARACTERS) : '';
    }
    const name = oneLine(shown.sku);
    checkbox.setAttribute('aria-label', `Select ${name}`);
    toggle.setAttribute('aria-label', 'Active');
    toggle.setAttribute('aria-checked', String(shown.active));
    toggle.title = shown.active ? 'Active' : 'Inactive';
    open.setAttribute('aria-label', `Open ${name}`);
    open.title = 'Open (o)';
    showState();
  }

  // The worst there is to say about any field counts for the row.
  function showState() {
    const state = ['failed', 'saving', 'saved'].find((name) => [...states.values()].includes(name));
    if (state) element.dataset.state = state;
    else delete element.dataset.state;
    for (const [column, cell] of Object.entries(cells)) {
      cell.classList.toggle('is-failed', states.get(column) === 'failed');
    }
    if (!state) return fill(updated, timeElement(row.product.updated_at));
    const [shape, word] = STATES[state];
    return fill(
      updated,
      h('span', { class: `row-state row-state-${state}` }, icon(shape, state === 'saving' ? 'spin' : ''), word),
    );
  }

  show();
  return row;
}
