// A row of the product table. While its product is shown, the row keeps its elements, the focus and open editors.

import { fill, h, setText } from '../core/dom.js';
import { oneLine } from '../core/format.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { may } from '../core/session.js';
import { timeElement } from '../core/widgets.js';
import { createCellText } from './cell-text.js';
import { FIELDS } from './edit-conflict.js';
import { NO_WORDS } from './search-terms.js';

/** @import { IconName } from '../core/icons.js' */
/** @import { Product } from '../core/types.d.ts' */
/** @import { FieldName, TextField } from './edit-conflict.js' */
/** @import { FieldWords } from './search-terms.js' */

/** @typedef {FieldName | 'select' | 'updated_at' | 'open'} Column */
/** @typedef {'saving' | 'saved' | 'failed'} SaveState */

const TITLE_CHARACTERS = 1_000;
const SAVED_MS = 2_000;
/** @type {Record<SaveState, [shape: IconName, word: string]>} */
const STATES = {
  saving: ['arc', t('products.saving')],
  saved: ['check', t('products.saved')],
  failed: ['alert', t('products.not_saved')],
};

/** @type {TextField[]} */
export const TEXT_FIELDS = ['sku', 'name', 'description'];

/**
 * @param {string | undefined} column
 * @returns {column is TextField}
 */
export const isTextField = (column) => TEXT_FIELDS.some((field) => field === column);

/**
 * @typedef {object} Row
 * @property {HTMLTableRowElement} element
 * @property {Product} product the latest version from the server
 * @property {Column[]} columns
 * @property {Record<Column, HTMLTableCellElement>} cells
 * @property {(product: Product) => void} update Accept a version of the product, unless it is older.
 * @property {(address: string) => void} link Set the address of the product's dialog.
 * @property {(words: FieldWords) => void} highlight Highlight these words.
 * @property {() => void} fit Show what fits into the cells, after their width has changed.
 * @property {(field: FieldName, value: string | boolean | undefined) => void} expect Show a value that is being saved;
 *   undefined shows the product again.
 * @property {<Name extends FieldName>(field: Name) => Product[Name]} value Return the shown value of a field.
 * @property {(field: FieldName, state: SaveState | '') => void} setState
 * @property {(selected: boolean) => void} select
 * @property {(column: Column) => HTMLElement} focusable Return the element of a column that gets the focus.
 */

/** @param {Product} product @returns {Row} */
export function createProductRow(product) {
  const mayEdit = may('products:write');
  const checkbox = h('input', { type: 'checkbox', class: 'checkbox', tabindex: '-1', data: { testid: 'select-row' } });
  const toggle = h(
    'button',
    { class: 'switch', type: 'button', role: 'switch', tabindex: '-1' },
    h('span', { class: 'switch-knob' }),
  );
  const activeText = h('span', { class: 'active-state' });
  const open = h(
    'a',
    { class: 'icon-button row-open', tabindex: '-1', data: { testid: 'product-open' } },
    icon('open'),
  );
  const texts = {
    sku: createCellText('sku'),
    name: createCellText('name'),
    description: createCellText('description'),
  };
  let words = NO_WORDS;
  const updated = h('span', { class: 'cell-updated' });
  /**
   * @param {TextField} field
   * @param {{class: string}} attributes
   */
  const textCell = (field, attributes) =>
    h('td', { ...attributes, tabindex: '-1', data: { testid: `cell-${field}`, column: field } }, texts[field].element);
  /** @type {Record<Column, HTMLTableCellElement>} */
  const cells = {
    select: h('td', { class: 'col-select', data: { column: 'select' } }, h('label', { class: 'hit' }, checkbox)),
    sku: textCell('sku', { class: 'cell-edit col-sku' }),
    name: textCell('name', { class: 'cell-edit col-name' }),
    description: textCell('description', { class: 'cell-edit col-description wide' }),
    active: h(
      'td',
      { class: 'col-active', tabindex: mayEdit ? null : '-1', data: { testid: 'cell-active', column: 'active' } },
      mayEdit ? toggle : activeText,
    ),
    updated_at: h('td', { class: 'col-updated', tabindex: '-1', data: { column: 'updated_at' } }, updated),
    open: h('td', { class: 'col-open', data: { column: 'open' } }, open),
  };
  const element = h(
    'tr',
    { class: 'product-row', 'aria-selected': 'false', data: { testid: 'product-row', id: String(product.id) } },
    Object.values(cells),
  );
  /** @type {Partial<Pick<Product, FieldName>>} */
  const expected = {};
  /** @type {Map<FieldName, SaveState>} */
  const states = new Map();
  let savedTimer = 0;
  /** @type {Partial<Record<Column, HTMLElement>>} */
  const widgets = mayEdit ? { select: checkbox, active: toggle, open } : { select: checkbox, open };
  /** @type {Row} */
  const row = {
    element,
    columns: /** @type {Column[]} */ (Object.keys(cells)),
    cells,
    product,
    highlight(latest) {
      words = latest;
      show();
    },
    link: (address) => open.setAttribute('href', address),
    fit: () => TEXT_FIELDS.forEach((field) => texts[field].fit()),
    update(latest) {
      if (latest.updated_at >= row.product.updated_at) row.product = latest;
      show();
    },
    expect(field, value) {
      if (value === undefined) delete expected[field];
      else Object.assign(expected, { [field]: value });
      show();
    },
    value: (field) => ({ ...row.product, ...expected })[field],
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
    const shown = { ...row.product, ...expected };
    for (const field of TEXT_FIELDS) {
      texts[field].show(shown[field], words[field]);
      cells[field].title = oneLine(shown[field]).length > 20 ? shown[field].slice(0, TITLE_CHARACTERS) : '';
    }
    const name = oneLine(shown.sku);
    checkbox.setAttribute('aria-label', t('products.row.select', { sku: name }));
    toggle.setAttribute('aria-label', t('products.active'));
    toggle.setAttribute('aria-checked', String(shown.active));
    toggle.title = shown.active ? t('products.active') : t('products.inactive');
    setText(activeText, toggle.title);
    activeText.classList.toggle('muted', !shown.active);
    open.setAttribute('aria-label', t('products.row.open', { sku: name }));
    open.title = t('products.row.open_hint');
    showState();
  }

  // The row shows the worst state of its fields.
  function showState() {
    /** @type {SaveState[]} */
    const worstFirst = ['failed', 'saving', 'saved'];
    const state = worstFirst.find((name) => [...states.values()].includes(name));
    if (state) element.dataset.state = state;
    else delete element.dataset.state;
    for (const field of FIELDS) cells[field].classList.toggle('is-failed', states.get(field) === 'failed');
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
