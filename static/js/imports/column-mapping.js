// The table that maps the columns of a file to the fields of a product.

import { h, setText } from '../core/dom.js';

/** @import { FileColumn, ImportFile, RetryOptions } from '../core/types.d.ts' */

/** @typedef {NonNullable<FileColumn['field']>} Field */

/** @typedef {Field | ''} Choice "" leaves the column out. */

/** @typedef {NonNullable<RetryOptions['mapping']>} Mapping */

/** @type {Record<Field, string>} */
export const FIELD_LABELS = { sku: 'SKU', name: 'Name', description: 'Description', active: 'Active' };
/** @type {Field[]} */
const FIELDS = ['sku', 'name', 'description', 'active'];
const MAX_SAMPLES = 3;
const MAX_NAMES = 8;
const EITHER = new Intl.ListFormat('en', { type: 'disjunction' });
const LIST = new Intl.ListFormat('en', { type: 'conjunction' });

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
    h('th', { scope: 'col', text: 'Column of the file' }),
    h('th', { scope: 'col', class: 'medium', text: 'First values' }),
    h('th', { scope: 'col', text: 'Goes to' }),
  ];
  const element = h(
    'div',
    { class: 'mapping' },
    h(
      'div',
      { class: 'table-scroll mapping-scroll', tabindex: '0', role: 'region', 'aria-label': 'Columns of the file' },
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
    const names = columns.filter(({ choice }) => choice === field).map(({ column }) => `“${column.name}”`);
    if (names.length > 1) {
      return `${LIST.format(names)} cannot both be the ${FIELD_LABELS[field]}. Leave one of them out.`;
    }
  }
  return columns.some(({ choice }) => choice === 'sku')
    ? ''
    : 'Choose the column that holds the SKU, which identifies the products.';
}

/**
 * Say what a blank cell does in the columns that are imported.
 * @param {MappedColumn[]} columns
 * @returns {string} "" if only the SKU is imported
 */
export function describeBlankCells(columns) {
  /** @param {Choice[]} fields */
  const namesOf = (fields) =>
    columns.filter(({ choice }) => fields.includes(choice)).map(({ column }) => `“${column.name || '(no name)'}”`);
  const texts = namesOf(['name', 'description']);
  const active = namesOf(['active']);
  return [
    texts.length ? `A blank cell in ${EITHER.format(texts)} makes that field of the product empty.` : '',
    active.length ? `A blank cell in ${EITHER.format(active)} leaves the product as it is.` : '',
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
  if (!columns.length) return isInvalid ? '' : 'Every column is imported.';
  const names = columns.map(({ name }) => name || '(no name)');
  // "and 1 more" would not be shorter than the name.
  const count = names.length > MAX_NAMES + 1 ? MAX_NAMES : names.length;
  const more = count < names.length ? ` and ${names.length - count} more` : '';
  return `Not imported: ${names.slice(0, count).join(', ')}${more}.`;
}

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
      h('span', { class: 'mapping-column', text: column.name || '(no name)' }),
      h('span', { class: 'narrow-only muted sample-line' }, samples[0] ?? ''),
    ),
    h(
      'td',
      { class: 'medium' },
      h('div', { class: 'samples muted', text: samples.join(' · ') || 'empty', title: samples.join('\n') }),
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
    ['', 'Leave out'],
    ...FIELDS.map((field) => /** @type {[Field, string]} */ ([field, FIELD_LABELS[field]])),
  ];
  return h(
    'select',
    {
      class: 'input',
      'aria-label': `“${column.name}” goes to`,
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
