// Which column of the file goes to which of our fields.

import { h, setText } from '../core/dom.js';

const FIELDS = { sku: 'SKU', name: 'Name', description: 'Description', active: 'Active' };
const MAX_SAMPLES = 3;
const MAX_NAMED = 8;
const LIST = new Intl.ListFormat('en', { type: 'conjunction' });

/**
 * @param {object} file of a job
 * @param {() => void} onChange
 * @returns {{element: HTMLElement, mapping: () => Record<string, string|null>, problem: () => string, isChanged: () =>
 *   boolean}}
 *   problem: why the choice cannot be taken, "" when it can
 */
export function createMappingTable(file, onChange) {
  const chosen = file.columns.map((column) => column.field ?? '');
  const note = h('p', { class: 'mapping-note', data: { testid: 'mapping-note' } });
  const error = h('p', { class: 'field-error', role: 'alert', data: { testid: 'mapping-problem' } });
  const selects = file.columns.map((column, index) =>
    fieldSelect(column, index, (value) => {
      chosen[index] = value;
      show();
      onChange();
    }),
  );
  const element = h(
    'div',
    { class: 'mapping' },
    h(
      'div',
      { class: 'table-scroll mapping-scroll', tabindex: '0', role: 'region', 'aria-label': 'Columns of the file' },
      h(
        'table',
        { class: 'table table-mapping', data: { testid: 'mapping-table' } },
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            h('th', { scope: 'col', text: 'Column of the file' }),
            h('th', { scope: 'col', class: 'medium', text: 'First values' }),
            h('th', { scope: 'col', text: 'Goes to' }),
          ),
        ),
        h(
          'tbody',
          {},
          file.columns.map((column, index) => mappingRow(column, selects[index])),
        ),
      ),
    ),
    h('div', { class: 'mapping-foot' }, note, error),
  );

  const problem = () => {
    const twice = Object.keys(FIELDS).find((field) => chosen.filter((value) => value === field).length > 1);
    if (twice) {
      const names = file.columns.filter((_, index) => chosen[index] === twice).map(({ name }) => `“${name}”`);
      return `${LIST.format(names)} cannot both be the ${FIELDS[twice]}. Leave one of them out.`;
    }
    return chosen.includes('sku') ? '' : 'Choose the column that holds the SKU: it tells the products apart.';
  };
  const show = () => {
    setText(note, leftOutSentence(file.columns.filter((_, index) => !chosen[index])));
    setText(error, problem());
    selects.forEach((select, index) => {
      const isTwice = chosen[index] && chosen.filter((value) => value === chosen[index]).length > 1;
      if (isTwice) select.setAttribute('aria-invalid', 'true');
      else select.removeAttribute('aria-invalid');
    });
  };
  show();
  return {
    element,
    problem,
    mapping: () => Object.fromEntries(file.columns.map(({ name }, index) => [name, chosen[index] || null])),
    isChanged: () => file.columns.some((column, index) => chosen[index] !== (column.field ?? '')),
  };
}

/** The same, to read. @param {object} file @returns {HTMLElement} */
export function createMappingSummary(file) {
  const taken = file.columns.filter((column) => column.field);
  return h(
    'div',
    { class: 'mapping-record' },
    h(
      'ul',
      { class: 'mapping-pairs' },
      taken.map((column) => h('li', {}, h('code', { text: column.name }), ' → ', FIELDS[column.field])),
    ),
    h('p', { class: 'muted', text: leftOutSentence(file.columns.filter((column) => !column.field)) }),
  );
}

function leftOutSentence(columns) {
  if (!columns.length) return 'Every column is imported.';
  const names = columns.slice(0, MAX_NAMED).map(({ name }) => name || '(no name)');
  const more = columns.length > MAX_NAMED + 1 ? ` and ${columns.length - MAX_NAMED} more` : '';
  return `Not imported: ${(more ? names : columns.map(({ name }) => name || '(no name)')).join(', ')}${more}.`;
}

function mappingRow(column, select) {
  const samples = (column.samples ?? []).filter((value) => value !== '').slice(0, MAX_SAMPLES);
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

function fieldSelect(column, index, onChange) {
  const select = h(
    'select',
    {
      class: 'input',
      'aria-label': `“${column.name}” goes to`,
      data: { testid: 'mapping-select', column: column.name, index },
      on: { change: () => onChange(select.value) },
    },
    [['', 'Leave out'], ...Object.entries(FIELDS)].map(([value, text]) =>
      h('option', { value, text, selected: value === (column.field ?? '') }),
    ),
  );
  return select;
}
