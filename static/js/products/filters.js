// The search box and the filters of the product list. The address holds their values.

import { fill, h, setText } from '../core/dom.js';
import { formatMoment } from '../core/format.js';
import { t, tRich } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { setQuery } from '../core/router.js';
import { textFilter } from '../core/text-filter.js';
import { createChangedSince } from './changed-since.js';
import { findJobName } from './job-names.js';
import { FROM_THE_START } from './query.js';

/** @import { Part } from '../core/i18n.js' */
/** @import { FilterName, Filters } from './query.js' */

/** @type {Record<FilterName, string>} */
const LABELS = {
  q: t('products.filter.search'),
  sku: t('products.field.sku'),
  name: t('products.field.name'),
  description: t('products.field.description'),
  active: t('products.filter.status'),
  changed_by: t('products.filter.changed_by'),
  changed_since: t('products.filter.changed_since'),
};
/** @type {FilterName[]} Filters in the panel that opens */
const PANEL_FILTERS = ['sku', 'name', 'description'];
/** @type {FilterName[]} Filters that are shown as chips */
const CHIP_FILTERS = [...PANEL_FILTERS, 'active', 'changed_by', 'changed_since'];
const NO_FILTERS = {
  q: undefined,
  sku: undefined,
  name: undefined,
  description: undefined,
  active: undefined,
  // A view without its filters is not that view any more.
  view: undefined,
  changed_by: undefined,
  changed_since: undefined,
  ...FROM_THE_START,
};

/**
 * @typedef {object} FilterBar
 * @property {HTMLElement} element
 * @property {(filters: Filters) => void} show Show the filters of the address.
 * @property {(wanted: boolean) => void} showClear Show or hide the button that clears all filters.
 * @property {() => void} clear
 * @property {() => void} open Open the panel and focus its first field.
 * @property {() => void} focusSearch
 * @property {() => void} stop Forget typed text that was not applied yet.
 */

/**
 * @param {{tools: HTMLElement[]}} options further controls beside the filters
 * @returns {FilterBar}
 */
export function createFilterBar({ tools }) {
  const search = textFilter('q', FROM_THE_START, {
    id: 'product-search',
    type: 'search',
    placeholder: t('products.filter.search_products'),
    'aria-label': t('products.filter.search_products'),
    'aria-keyshortcuts': '/',
    'aria-describedby': 'search-hint',
    testid: 'products-search',
  });
  const fields = PANEL_FILTERS.map((name) =>
    textFilter(name, FROM_THE_START, { type: 'search', testid: `filter-${name}` }),
  );
  const texts = [search, ...fields];
  /** @type {HTMLSelectElement} */
  const activeSelect = h(
    'select',
    {
      class: 'input',
      'aria-label': t('products.filter.status'),
      data: { testid: 'filter-active' },
      on: { change: () => setQuery({ active: activeSelect.value || undefined, ...FROM_THE_START }) },
    },
    [
      ['', t('products.filter.any_status')],
      ['true', t('products.active')],
      ['false', t('products.inactive')],
    ].map(([value, text]) => h('option', { value, text })),
  );

  const changedSince = createChangedSince((value) => setQuery({ changed_since: value, ...FROM_THE_START }));
  const panel = h(
    'div',
    { class: 'filter-panel', id: 'filter-panel', hidden: true },
    fields.map((field) =>
      h(
        'label',
        { class: 'filter-field' },
        h('span', { text: LABELS[/** @type {FilterName} */ (field.name)] }),
        field.input,
      ),
    ),
    changedSince.element,
  );
  const toggle = h(
    'button',
    {
      class: 'button',
      type: 'button',
      'aria-expanded': 'false',
      'aria-controls': 'filter-panel',
      data: { testid: 'filters-toggle' },
      on: { click: () => unfold(Boolean(panel.hidden), true) },
    },
    icon('filter'),
    t('products.filter.filters'),
  );
  /**
   * @param {boolean} open
   * @param {boolean} [byHand] whether the user opened it
   */
  const unfold = (open, byHand = false) => {
    panel.hidden = !open;
    toggle.setAttribute('aria-expanded', String(open));
    if (open && byHand) fields[0]?.input.focus();
  };

  const clear = () => {
    texts.forEach((text) => text.reset());
    setQuery(NO_FILTERS);
    search.input.focus();
  };
  const clearButton = h('button', {
    class: 'button button-quiet',
    type: 'button',
    text: t('products.clear_filters'),
    hidden: true,
    on: { click: clear },
  });
  // The empty state "Nothing matches" has its own button.
  /** @param {boolean} wanted */
  const showClear = (wanted) => {
    clearButton.hidden = !wanted;
    clearButton.dataset.testid = wanted ? 'clear-filters' : '';
  };
  const chips = h('div', { class: 'chips' });
  /** @param {FilterName} name */
  const removeFilter = (name) => {
    texts.find((text) => text.name === name)?.reset();
    setQuery({ [name]: undefined, ...FROM_THE_START });
    search.input.focus();
  };

  /** @param {Filters} filters */
  const show = (filters) => {
    texts.forEach((text) => text.show(filters[/** @type {FilterName} */ (text.name)] ?? ''));
    activeSelect.value = filters.active ?? '';
    changedSince.show(filters.changed_since ?? '');
    // Open the panel for filters of the address; the user can close it again.
    if (panel.hidden && !chips.childElementCount && PANEL_FILTERS.some((name) => filters[name])) unfold(true);
    fill(
      chips,
      CHIP_FILTERS.map((name) => {
        const value = filters[name];
        return value ? chip(name, value, () => removeFilter(name)) : null;
      }),
    );
    showClear(Object.keys(filters).length > 0);
  };

  const element = h(
    'div',
    { class: 'filters', role: 'search', 'aria-label': t('products.title') },
    h(
      'div',
      { class: 'filter-row' },
      h(
        'div',
        { class: 'search-box' },
        search.input,
        icon('search'),
        h('kbd', { 'aria-hidden': 'true', text: '/' }),
        searchHint(),
      ),
      activeSelect,
      toggle,
      ...tools,
      // Last, so that chips that come and go do not move the fields.
      chips,
      clearButton,
    ),
    panel,
  );
  const open = () => unfold(true, true);
  const focusSearch = () => search.input.select();
  return { element, show, clear, showClear, open, focusSearch, stop: () => texts.forEach((text) => text.cancel()) };
}

function searchHint() {
  /** @param {Part[]} parts */
  const code = (parts) => h('code', {}, parts);
  return h(
    'div',
    { class: 'search-hint', id: 'search-hint', data: { testid: 'search-hint' } },
    h('div', { text: t('products.filter.hint_words') }),
    h('div', {}, tRich('products.filter.hint_quoted', { code })),
    h('div', {}, tRich('products.filter.hint_minus', { code })),
  );
}

/**
 * @param {FilterName} name
 * @param {string} value
 */
function chipText(name, value) {
  if (name === 'active') return value === 'true' ? t('products.active') : t('products.inactive');
  if (name === 'changed_by') return t('products.filter.an_import');
  // A value that is no time is refused by the server.
  return name === 'changed_since' && Date.parse(value) ? formatMoment(value) : value;
}

/**
 * @param {FilterName} name
 * @param {string} value
 * @param {() => void} remove
 */
function chip(name, value, remove) {
  const shown = h('bdi', { text: chipText(name, value) });
  if (name === 'changed_by') findJobName(value).then((jobName) => setText(shown, jobName));
  return h(
    'span',
    { class: 'chip', data: { testid: 'filter-chip', filter: name } },
    h(
      'span',
      { class: 'chip-text', title: value },
      tRich('products.filter.chip', { filter: LABELS[name], value: shown }),
    ),
    h(
      'button',
      {
        class: 'chip-remove',
        type: 'button',
        'aria-label': t('products.filter.remove', { filter: LABELS[name] }),
        on: { click: remove },
      },
      icon('cross'),
    ),
  );
}
