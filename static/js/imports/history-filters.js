// The filters of the import history: name, kind, status and origin. The address holds them.

import { h } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { setQuery } from '../core/router.js';
import { textFilter } from '../core/text-filter.js';

/**
 * The filters by their parameter, which has the same name in the page's address and in the API.
 * @typedef {{filename?: string, kind?: string, status?: string, started_from?: string}} ImportFilters
 */

/** A changed filter shows the first page. */
const FIRST_PAGE = { page: undefined };
/** @type {[value: string, label: string][]} */
const KINDS = [
  ['', t('imports.history.filter.all_kinds')],
  ['import', t('imports.history.filter.imports')],
  ['bulk', t('imports.history.filter.bulk')],
  ['undo', t('imports.history.filter.undos')],
];
/** @type {[value: string, label: string][]} */
const STATUSES = [
  ['', t('imports.history.filter.any_status')],
  ['awaiting_confirmation', t('imports.history.filter.to_confirm')],
  ['pending', t('imports.history.filter.waiting')],
  ['processing', t('imports.history.filter.running')],
  ['completed', t('imports.history.filter.completed')],
  ['failed', t('imports.history.filter.failed')],
  ['cancelled', t('imports.history.filter.cancelled')],
];
/** @type {[value: string, label: string][]} */
const ORIGINS = [
  ['', t('imports.history.filter.anywhere')],
  ['page', t('imports.history.filter.page')],
  ['api', t('imports.history.filter.api')],
];

/**
 * Return the filters of an address. Empty and unknown values are left out.
 * @param {URLSearchParams} query
 * @returns {ImportFilters}
 */
export function readImportFilters(query) {
  const filename = query.get('filename')?.trim();
  const kind = knownValue(KINDS, query.get('kind'));
  const status = knownValue(STATUSES, query.get('status'));
  const origin = knownValue(ORIGINS, query.get('started_from'));
  return {
    ...(filename ? { filename } : {}),
    ...(kind ? { kind } : {}),
    ...(status ? { status } : {}),
    ...(origin ? { started_from: origin } : {}),
  };
}

/**
 * @param {[value: string, label: string][]} choices
 * @param {string | null} wanted
 */
const knownValue = (choices, wanted) => choices.find(([value]) => value === wanted)?.[0];

/** Remove all filters from the address. */
export function clearImportFilters() {
  setQuery({ filename: undefined, kind: undefined, status: undefined, started_from: undefined, ...FIRST_PAGE });
}

/**
 * Create the bar with the filters.
 * @returns {{element: HTMLElement, show: (filters: ImportFilters) => void, stop: () => void}}
 */
export function createImportFilterBar() {
  const text = textFilter('filename', FIRST_PAGE, {
    type: 'search',
    placeholder: t('imports.history.filter.name'),
    'aria-label': t('imports.history.filter.name'),
    testid: 'filter-filename',
  });
  const kind = filterSelect('kind', t('imports.history.filter.kind'), KINDS);
  const status = filterSelect('status', t('imports.history.filter.status'), STATUSES);
  const origin = filterSelect('started_from', t('imports.history.filter.started_from'), ORIGINS);
  const element = h(
    'div',
    { class: 'import-filters', role: 'search', 'aria-label': t('imports.history.title') },
    h('div', { class: 'search-box' }, text.input, icon('search')),
    kind,
    status,
    origin,
  );
  /** @param {ImportFilters} filters */
  const show = (filters) => {
    text.show(filters.filename ?? '');
    kind.value = filters.kind ?? '';
    status.value = filters.status ?? '';
    origin.value = filters.started_from ?? '';
  };
  return { element, show, stop: text.cancel };
}

/**
 * @param {string} name of the query parameter
 * @param {string} label
 * @param {[value: string, label: string][]} choices
 */
function filterSelect(name, label, choices) {
  const select = h(
    'select',
    { class: 'input', 'aria-label': label, data: { testid: `filter-${name}` } },
    choices.map(([value, text]) => h('option', { value, text })),
  );
  select.addEventListener('change', () => setQuery({ [name]: select.value || undefined, ...FIRST_PAGE }));
  return select;
}
