// The filters of the import history: name, kind, status and origin. The address holds them.

import { h } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { LANGUAGE, LOCALE } from '../core/locale.js';
import { icon } from '../core/icons.js';
import { setQuery } from '../core/router.js';
import { textFilter } from '../core/text-filter.js';
import { titleOf } from './job.js';

/** @import { BulkChange } from '../core/bulk-kind.js' */
/** @import { BulkDetails } from '../core/types.d.ts' */

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

/** @type {[code: string, change: BulkChange][]} */
const BULK_CHANGES = [
  ['activate', { action: 'activate', field: null, value: null }],
  ['deactivate', { action: 'deactivate', field: null, value: null }],
  ['delete', { action: 'delete', field: null, value: null }],
  ['set_active', { action: 'set', field: 'active', value: true }],
  ['set_inactive', { action: 'set', field: 'active', value: false }],
  ['set_name', { action: 'set', field: 'name', value: null }],
  ['set_description', { action: 'set', field: 'description', value: null }],
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
 * Return the parameters of the API for a filter. The server finds bulk changes by their English titles; those that have
 * the wanted text in another language are named besides.
 * @param {ImportFilters} filters
 * @returns {ImportFilters & {bulk_titles?: string}}
 */
export function filterParameters(filters) {
  const wanted = filters.filename?.toLocaleLowerCase(LOCALE);
  const titles = wanted && LANGUAGE !== 'en' ? bulkTitles().filter(([, title]) => title.includes(wanted)) : [];
  return titles.length ? { ...filters, bulk_titles: titles.map(([code]) => code).join(',') } : filters;
}

/**
 * Return the titles of bulk changes in lower case by their codes in the API.
 * @returns {[code: string, title: string][]}
 */
const bulkTitles = () =>
  [false, true].flatMap((isAll) =>
    BULK_CHANGES.map(([code, change]) => {
      /** @type {BulkDetails} */
      const bulk = { ...change, selection: isAll ? 'all' : 'filter', filter: null, ids: null };
      return [isAll ? `${code}_all` : code, titleOf({ filename: '', bulk }).toLocaleLowerCase(LOCALE)];
    }),
  );

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
