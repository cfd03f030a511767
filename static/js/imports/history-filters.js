// Filters of the earlier imports, kept in step with the address: file name, status, page or API.

import { h } from '../core/dom.js';
import { icon } from '../core/icons.js';
import { setQuery } from '../core/router.js';
import { textFilter } from '../core/text-filter.js';

const FROM_THE_START = { page: undefined };
const STATUSES = [
  ['', 'Any status'],
  ['awaiting_confirmation', 'To confirm'],
  ['pending', 'Waiting'],
  ['processing', 'Running'],
  ['completed', 'Completed'],
  ['failed', 'Failed'],
  ['cancelled', 'Cancelled'],
];
const ORIGINS = [
  ['', 'From anywhere'],
  ['page', 'From the page'],
  ['api', 'From the API'],
];

/**
 * @param {URLSearchParams} query
 * @returns {{filename?: string, status?: string, started_from?: string}} the filters in it that say something
 */
export function readImportFilters(query) {
  const asked = {
    filename: query.get('filename')?.trim(),
    status: query.get('status'),
    started_from: query.get('started_from'),
  };
  const isKnown = {
    filename: (value) => value,
    status: (value) => STATUSES.some(([name]) => name === value),
    started_from: (value) => ORIGINS.some(([name]) => name === value),
  };
  return Object.fromEntries(Object.entries(asked).filter(([name, value]) => value && isKnown[name](value)));
}

/** Shows all of them again. */
export function clearImportFilters() {
  setQuery({ filename: undefined, status: undefined, started_from: undefined, ...FROM_THE_START });
}

/**
 * @returns {{element: HTMLElement, show: (filters: object) => void, stop: () => void}}
 */
export function createImportFilterBar() {
  const text = textFilter('filename', FROM_THE_START, {
    type: 'search',
    placeholder: 'File name',
    'aria-label': 'File name',
    testid: 'filter-filename',
  });
  const select = (name, label, choices) => {
    const element = h(
      'select',
      {
        class: 'input',
        'aria-label': label,
        data: { testid: `filter-${name}` },
        on: { change: () => setQuery({ [name]: element.value || undefined, ...FROM_THE_START }) },
      },
      choices.map(([value, words]) => h('option', { value, text: words })),
    );
    return element;
  };
  const status = select('status', 'Status', STATUSES);
  const origin = select('started_from', 'Started from', ORIGINS);
  const element = h(
    'div',
    { class: 'import-filters', role: 'search', 'aria-label': 'Earlier imports' },
    h('div', { class: 'search-box' }, text.input, icon('search')),
    status,
    origin,
  );
  const show = (filters) => {
    text.show(filters.filename ?? '');
    status.value = filters.status ?? '';
    origin.value = filters.started_from ?? '';
  };
  return { element, show, stop: text.cancel };
}
