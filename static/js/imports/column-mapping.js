// The table that maps the columns of a file to the fields of a product.

import { h, setText } from '../core/dom.js';
import { formatAnd, formatList, formatOr } from '../core/format.js';
import { t } from '../core/i18n.js';

/** @import { FileColumn, ImportFile, RetryOptions } from '../core/types.d.ts' */

/** @typedef {NonNullable<FileColumn['field']>} Field */

/** @typedef {Field | ''} Choice "" leaves the column out. */

/** @typedef {NonNullable<RetryOptions['mapping']>} Mapping */

/** @type {Record<Field, string>} */
export const FIELD_LABELS = {
  sku: t('imports.option.field.sku'),
  name: t('imports.option.field.name'),
  description: t('imports.option.field.description'),
  active: t('imports.option.field.active'),
};
/** @type {Field[]} */
const FIELDS = ['sku', 'name', 'description', 'active'];
const MAX_SAMPLES = 3;
const MAX_NAMES = 8;

/**
 * @typedef {object} MappingTable
 * @property {HTMLElement} element
 * @property {() => Mapping} mapping Return the mapping as the API accepts it.
 * @property {() => string} problem Return why the mapping is invalid; "" if it is valid.
 * @property {() => boolean} isChanged Return whether the mapping differs from that of the file.
 */

/**
 * Create a table in which the mapping can be changed.
 * @param {ImportFile} file
 * @param {() => void} onChange
 * @returns {MappingTable}
 */
export function createMappingTable(file, onChange) {
  const rows = file.columns.map((column, index) => {
    const select = fieldSelect(column, index);
    select.addEventListener('change', () => {
      show();
      onChange();
    });
    return { column, select };
  });
  const mapped = () => rows.map(({ column, select }) => ({ column, choice: choiceOf(select.value) }));
  const note = h('p', { class: 'mapping-note', data: { testid: 'mapping-note' } });
  const blanks = h('p', { class: 'mapping-note muted', data: { testid: 'blank-cells' } });
  const error = h('p', { class: 'field-error', role: 'alert', data: { testid: 'mapping-problem' } });
  const show = () => {
    const columns = mapped();
    const problem = findMappingProblem(columns);
    const leftOut = columns.filter(({ choice }) => !choice).map(({ column }) => column);
    setText(note, describeLeftOut(leftOut, problem !== ''));
    setText(blanks, problem ? '' : describeBlankCells(columns));
    setText(error, problem);
    for (const { select } of rows) {
      const isDuplicate =
        select.value && rows.some((other) => other.select !== select && other.select.value === select.value);
      if (isDuplicate) select.setAttribute('aria-invalid', 'true');
      else select.removeAttribute('aria-invalid');
    }
  };
  const heads = [
    h('th', { scope: 'col', text: t('imports.option.column_of_file') }),
    h('th', { scope: 'col', class: 'medium', text: t('imports.option.first_values') }),
    h('th', { scope: 'col', text: t('imports.option.goes_to') }),
  ];
  const element = h(
    'div',
    { class: 'mapping' },
    h(
      'div',
      {
        class: 'table-scroll mapping-scroll',
        tabindex: '0',
        role: 'region',
        'aria-label': t('imports.option.columns_of_file'),
      },
      h(
        'table',
        { class: 'table table-mapping', data: { testid: 'mapping-table' } },
        h('thead', {}, h('tr', {}, heads)),
        h(
          'tbody',
          {},
          rows.map(({ column, select }) => mappingRow(column, select)),
        ),
      ),
    ),
    h('div', { class: 'mapping-foot' }, note, blanks, error),
  );
  show();
  return {
    element,
    problem: () => findMappingProblem(mapped()),
    mapping: () => Object.fromEntries(mapped().map(({ column, choice }) => [column.name, choice || null])),
    isChanged: () => mapped().some(({ column, choice }) => choice !== (column.field ?? '')),
  };
}

/**
 * Create a list of the mapping that cannot be changed.
 * @param {ImportFile} file
 * @returns {HTMLElement}
 */
export function createMappingSummary(file) {
  const items = file.columns.flatMap(({ name, field }) =>
    field ? [h('li', {}, h('code', { text: name }), ' → ', FIELD_LABELS[field])] : [],
  );
  return h(
    'div',
    { class: 'mapping-record' },
    h('ul', { class: 'mapping-pairs' }, items),
    h('p', {
      class: 'muted',
      text: describeLeftOut(
        file.columns.filter(({ field }) => !field),
        file.problem !== null,
      ),
    }),
  );
}

/** @typedef {{column: Pick<FileColumn, 'name'>, choice: Choice}} MappedColumn */

/**
 * Return why a mapping is invalid.
 * @param {MappedColumn[]} columns
 * @returns {string} "" if it is valid
 */
export function findMappingProblem(columns) {
  for (const field of FIELDS) {
    const names = columns.filter(({ choice }) => choice === field).map(({ column }) => quoted(column.name));
    if (names.length > 1) {
      return t('imports.option.same_field', { columns: formatAnd(names), field: FIELD_LABELS[field] });
    }
  }
  return columns.some(({ choice }) => choice === 'sku') ? '' : t('imports.option.needs_sku');
}

/**
 * Say what a blank cell does in the columns that are imported.
 * @param {MappedColumn[]} columns
 * @returns {string} "" if only the SKU is imported
 */
export function describeBlankCells(columns) {
  /** @param {Choice[]} fields */
  const namesOf = (fields) =>
    columns.filter(({ choice }) => fields.includes(choice)).map(({ column }) => quoted(nameOf(column)));
  const texts = namesOf(['name', 'description']);
  const active = namesOf(['active']);
  return [
    texts.length ? t('imports.option.blank_text', { columns: formatOr(texts) }) : '',
    active.length ? t('imports.option.blank_active', { columns: formatOr(active) }) : '',
  ]
    .filter(Boolean)
    .join(' ');
}

/**
 * Return a sentence with the names of the columns that are not imported.
 * @param {Pick<FileColumn, 'name'>[]} columns
 * @param {boolean} [isInvalid] whether the mapping is invalid, so that nothing can be imported with it
 */
export function describeLeftOut(columns, isInvalid = false) {
  if (!columns.length) return isInvalid ? '' : t('imports.option.all_imported');
  const names = columns.map(nameOf);
  // "and 1 more" would not be shorter than the name.
  const count = names.length > MAX_NAMES + 1 ? MAX_NAMES : names.length;
  const shown = formatList(names.slice(0, count));
  return t('imports.option.left_out', { columns: shown, more: names.length - count });
}

/** @param {Pick<FileColumn, 'name'>} column */
const nameOf = ({ name }) => name || t('imports.fix.unnamed');

/** @param {string} name */
const quoted = (name) => t('imports.option.quoted', { name });

/**
 * @param {FileColumn} column
 * @param {HTMLSelectElement} select
 */
function mappingRow(column, select) {
  const samples = column.samples.filter((value) => value !== '').slice(0, MAX_SAMPLES);
  return h(
    'tr',
    {},
    h(
      'th',
      { scope: 'row', class: 'mapping-name' },
      h('span', { class: 'mapping-column', text: nameOf(column) }),
      h('span', { class: 'narrow-only muted sample-line', dir: 'auto', title: samples[0] }, samples[0] ?? ''),
    ),
    h(
      'td',
      { class: 'medium' },
      h('div', {
        class: 'samples muted',
        text: samples.join(' · ') || t('imports.option.no_values'),
        title: samples.join('\n'),
      }),
    ),
    h('td', { class: 'mapping-choice' }, select),
  );
}

/**
 * @param {FileColumn} column
 * @param {number} index
 */
function fieldSelect(column, index) {
  /** @type {[value: Choice, label: string][]} */
  const choices = [
    ['', t('imports.option.leave_out')],
    ...FIELDS.map((field) => /** @type {[Field, string]} */ ([field, FIELD_LABELS[field]])),
  ];
  return h(
    'select',
    {
      class: 'input',
      'aria-label': t('imports.option.column_goes_to', { name: column.name }),
      data: { testid: 'mapping-select', column: column.name, index: String(index) },
    },
    choices.map(([value, text]) => h('option', { value, text, selected: value === (column.field ?? '') })),
  );
}

/**
 * @param {string} value of a select
 * @returns {Choice}
 */
const choiceOf = (value) => FIELDS.find((field) => field === value) ?? '';
