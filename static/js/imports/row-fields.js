// The fields of a row that is edited: one for each cell, under the names of the file's columns. Cells can be inserted,
// removed and joined, because a row with too many or too few has its values in the wrong columns.

import { fill, h, setText } from '../core/dom.js';
import { t, tRich } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { hiddenText } from '../core/widgets.js';
import { FIELD_LABELS } from './column-mapping.js';
import {
  addCells,
  blamedColumn,
  describeWidth,
  insertCell,
  joinCells,
  needsLines,
  removeCell,
  slotsOf,
} from './row-cells.js';
import { rejectText } from './server-texts.js';

/** @import { IconName } from '../core/icons.js' */
/** @import { FileColumn, RejectedRow } from '../core/types.d.ts' */
/** @import { Slot } from './row-cells.js' */

/** With more columns, a search field finds one. */
const MANY_COLUMNS = 12;
let serial = 0;

/**
 * @typedef {object} RowFields
 * @property {HTMLElement} element
 * @property {() => string[]} cells as they are in the fields
 * @property {() => void} focus Focus the field that is to blame, or the first one.
 * @property {(sentence: string) => void} showProblem Show a sentence at the field that is to blame.
 */

/**
 * Create the fields.
 * @param {object} options
 * @param {FileColumn[]} options.columns
 * @param {string} options.delimiter
 * @param {string[]} options.cells
 * @param {string[]} options.before cells as they are in the file, to which the reason of the rejection applies
 * @param {Pick<RejectedRow, 'code' | 'column' | 'details' | 'message'>} options.reject
 * @returns {RowFields}
 */
export function createRowFields({ columns, delimiter, cells, before, reject }) {
  serial += 1;
  const prefix = `row-${serial}`;
  const blamed = blamedColumn(columns, reject);
  const fits = cells.length === columns.length;
  const isLarge = Math.max(columns.length, cells.length) > MANY_COLUMNS;
  let current = [...cells];
  let sentence = cells[blamed] === before[blamed] ? rejectText(reject) : '';
  /** @type {HTMLElement[]} */
  let fields = [];
  const list = h('div', { class: 'row-fields' });
  const width = h('p', { class: 'muted row-width', role: 'status', data: { testid: 'row-width' } });
  const nothing = h('p', { class: 'muted', role: 'status' });
  const search = h('input', {
    class: 'input',
    type: 'search',
    placeholder: t('imports.fix.find_column'),
    'aria-label': t('imports.fix.find_column'),
    data: { testid: 'row-search' },
    on: {
      input: () => filter(),
      keydown: (event) => {
        // The first Esc empties the field; another one leaves the dialog.
        if (event.key !== 'Escape' || !search.value) return;
        event.preventDefault();
        search.value = '';
        filter();
      },
    },
  });
  const onlyImported = h('input', {
    type: 'checkbox',
    class: 'checkbox',
    checked: isLarge && fits,
    data: { testid: 'row-only-imported' },
    on: { change: () => filter() },
  });
  const moving = h('button', {
    class: 'button button-small',
    type: 'button',
    'aria-pressed': String(!fits),
    text: t('imports.fix.move_cells'),
    data: { testid: 'row-move' },
    on: {
      click: () => {
        moving.setAttribute('aria-pressed', String(!isMoving()));
        build();
      },
    },
  });
  const isMoving = () => moving.getAttribute('aria-pressed') === 'true';

  /**
   * Change the cells and focus a field.
   * @param {string[]} changed
   * @param {number} index
   */
  const move = (changed, index) => {
    current = changed;
    build();
    focusField(Math.min(index, fields.length - 1));
  };
  /** @param {number} index */
  const focusField = (index) => {
    /** @type {HTMLElement | null | undefined} */
    const control = fields[index]?.querySelector('.input, .row-lacking button');
    control?.focus();
  };
  const filter = () => {
    const wanted = search.value.trim().toLowerCase();
    slotsOf(columns, current).forEach(({ label, column }, index) => {
      const isHidden = !label.toLowerCase().includes(wanted) || (onlyImported.checked && column?.field === null);
      const field = fields[index];
      if (field) field.hidden = isHidden;
    });
    setText(nothing, fields.every(({ hidden }) => hidden) ? t('imports.fix.no_column') : '');
  };
  const build = () => {
    const slots = slotsOf(columns, current);
    fields = slots.map(createField);
    fill(list, fields);
    setText(width, describeWidth(current.length, columns.length));
    width.dataset.fits = String(current.length === columns.length);
    filter();
  };

  /**
   * @param {Slot} slot
   * @param {number} index
   */
  function createField({ label, column, value }, index) {
    const id = `${prefix}-${index}`;
    const isBlamed = index === blamed && sentence !== '';
    const name = h(
      'div',
      { class: 'row-name' },
      h(value === null ? 'span' : 'label', { for: value === null ? null : id, text: label, dir: 'auto' }),
      h('span', { class: 'muted row-field', text: roleOf(column) }),
    );
    const data = { testid: 'row-field', column: label };
    if (value === null) {
      return h('div', { class: 'row-cell', data }, name, lackingCell(label, index));
    }
    const problem = h('p', {
      class: 'field-error',
      id: `${id}-problem`,
      text: isBlamed ? sentence : '',
      data: { testid: 'row-problem' },
    });
    const attributes = {
      class: 'input',
      id,
      dir: 'auto',
      autocomplete: 'off',
      autocapitalize: 'off',
      spellcheck: 'false',
      value,
      'aria-invalid': isBlamed ? 'true' : null,
      'aria-describedby': isBlamed ? problem.id : null,
      on: {
        input: () => {
          // Fields drop some characters, such as carriage returns. A value that is as it was keeps them.
          current = current.with(index, control.value === shown ? value : control.value);
          if (problem.textContent) {
            setText(problem, '');
            sentence = '';
            control.removeAttribute('aria-invalid');
            control.removeAttribute('aria-describedby');
          }
        },
      },
    };
    /** @type {HTMLInputElement | HTMLTextAreaElement} */
    const control = needsLines(value) ? h('textarea', { ...attributes, rows: 3 }) : h('input', attributes);
    const shown = control.value;
    return h(
      'div',
      { class: 'row-cell', data },
      name,
      h('div', { class: 'row-control' }, control, problem),
      isMoving() ? moveButtons(label, index) : null,
    );
  }

  /**
   * @param {string} label
   * @param {number} index
   */
  const lackingCell = (label, index) =>
    h(
      'div',
      { class: 'row-control row-lacking' },
      h('span', { class: 'muted', text: t('imports.fix.no_cell_in_row') }),
      h(
        'button',
        {
          class: 'button button-small',
          type: 'button',
          data: { testid: 'row-add' },
          on: { click: () => move(addCells(current, index), index) },
        },
        tRich('imports.fix.add_cell', { column: label, hidden: hiddenText }),
      ),
    );

  /**
   * @param {string} label
   * @param {number} index
   */
  function moveButtons(label, index) {
    /**
     * @param {string} text
     * @param {string} testid
     * @param {IconName} shape
     * @param {() => void} run
     */
    const button = (text, testid, shape, run) =>
      h(
        'button',
        {
          class: 'icon-button',
          type: 'button',
          'aria-label': t('imports.fix.move_label', { action: text, column: label }),
          title: text,
          data: { testid },
          on: { click: run },
        },
        icon(shape),
      );
    return h(
      'div',
      { class: 'row-moves' },
      button(t('imports.fix.insert_cell'), 'row-insert', 'plus', () => move(insertCell(current, index), index)),
      index + 1 < current.length
        ? button(t('imports.fix.join_cell'), 'row-join', 'join', () =>
            move(joinCells(current, index, delimiter), index),
          )
        : null,
      button(t('imports.fix.remove_cell'), 'row-remove', 'trash', () => move(removeCell(current, index), index)),
    );
  }

  const imported = columns.filter(({ field }) => field !== null).length;
  const element = h(
    'div',
    { class: 'row-editor' },
    h(
      'div',
      // Enter in a field would submit the form around it, and nothing here is a value of the row.
      { class: 'row-tools', on: { keydown: (event) => event.key === 'Enter' && keepForm(event) } },
      isLarge ? h('div', { class: 'search-box' }, search, icon('search')) : null,
      isLarge
        ? h(
            'label',
            { class: 'row-only' },
            onlyImported,
            t('imports.fix.only_imported', { imported, count: columns.length }),
          )
        : null,
      width,
      moving,
    ),
    list,
    nothing,
  );
  build();
  return {
    element,
    cells: () => [...current],
    focus: () => focusField(Math.max(0, blamed)),
    showProblem: (text) => {
      sentence = text;
      build();
    },
  };
}

/** @param {KeyboardEvent} event */
function keepForm(event) {
  if (event.target instanceof HTMLInputElement) event.preventDefault();
}

/** @param {FileColumn | null} column */
function roleOf(column) {
  if (!column) return t('imports.fix.beyond_header');
  if (!column.field) return t('imports.fix.not_imported');
  return column.name.trim().toLowerCase() === column.field ? '' : FIELD_LABELS[column.field];
}
