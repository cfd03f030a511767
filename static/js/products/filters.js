// Search box and filters of the products, kept in step with the address.

import { fill, h } from '../core/dom.js';
import { icon } from '../core/icons.js';
import { setQuery } from '../core/router.js';
import { textFilter } from '../core/text-filter.js';
import { FROM_THE_START } from './query.js';

const LABELS = { sku: 'SKU', name: 'Name', description: 'Description', active: 'Status' };
const FOLDED = ['sku', 'name', 'description'];
const NO_FILTERS = {
  q: undefined,
  sku: undefined,
  name: undefined,
  description: undefined,
  active: undefined,
  ...FROM_THE_START,
};

/**
 * @returns {{element: HTMLElement, show: (filters: Record<string, string>) => void, showClear: (wanted: boolean) =>
 *   void, clear: () => void, stop: () => void}}
 */
export function filterBar() {
  const search = textFilter('q', FROM_THE_START, {
    id: 'product-search',
    type: 'search',
    placeholder: 'Search products',
    'aria-label': 'Search products',
    'aria-keyshortcuts': '/',
    testid: 'products-search',
  });
  const fields = FOLDED.map((name) => textFilter(name, FROM_THE_START, { type: 'search', testid: `filter-${name}` }));
  const texts = [search, ...fields];
  const activeSelect = h(
    'select',
    {
      class: 'input',
      'aria-label': 'Status',
      data: { testid: 'filter-active' },
      on: { change: () => setQuery({ active: activeSelect.value || undefined, ...FROM_THE_START }) },
    },
    [
      ['', 'Any status'],
      ['true', 'Active'],
      ['false', 'Inactive'],
    ].map(([value, text]) => h('option', { value, text })),
  );

  const panel = h(
    'div',
    { class: 'filter-panel', id: 'filter-panel', hidden: true },
    fields.map((field) => h('label', { class: 'filter-field' }, h('span', { text: LABELS[field.name] }), field.input)),
  );
  const toggle = h(
    'button',
    {
      class: 'button',
      type: 'button',
      'aria-expanded': 'false',
      'aria-controls': 'filter-panel',
      data: { testid: 'filters-toggle' },
      on: { click: () => unfold(panel.hidden, true) },
    },
    icon('filter'),
    'Filters',
  );
  const unfold = (open, byHand = false) => {
    panel.hidden = !open;
    toggle.setAttribute('aria-expanded', String(open));
    if (open && byHand) fields[0].input.focus();
  };

  const clear = () => {
    texts.forEach((text) => text.reset());
    setQuery(NO_FILTERS);
    search.input.focus();
  };
  const clearButton = h('button', {
    class: 'button button-quiet',
    type: 'button',
    text: 'Clear filters',
    hidden: true,
    on: { click: clear },
  });
  // "Nothing matches" has the same button in a better place.
  const showClear = (wanted) => {
    clearButton.hidden = !wanted;
    clearButton.dataset.testid = wanted ? 'clear-filters' : '';
  };
  const chips = h('div', { class: 'chips' });
  const removeFilter = (name) => {
    texts.find((text) => text.name === name)?.reset();
    setQuery({ [name]: undefined, ...FROM_THE_START });
    search.input.focus();
  };

  const show = (filters) => {
    texts.forEach((text) => text.show(filters[text.name] ?? ''));
    activeSelect.value = filters.active ?? '';
    // What an address asks for is on view; folding it away again is up to the person.
    if (panel.hidden && !chips.childElementCount && FOLDED.some((name) => filters[name])) unfold(true);
    fill(
      chips,
      Object.keys(LABELS)
        .filter((name) => filters[name])
        .map((name) => chip(name, filters[name], () => removeFilter(name))),
    );
    showClear(Object.keys(filters).length > 0);
  };

  const element = h(
    'div',
    { class: 'filters', role: 'search', 'aria-label': 'Products' },
    h(
      'div',
      { class: 'filter-row' },
      h('div', { class: 'search-box' }, search.input, icon('search'), h('kbd', { 'aria-hidden': 'true', text: '/' })),
      activeSelect,
      toggle,
      // What comes and goes stands behind the rest, so that nothing moves under the hands of someone typing.
      chips,
      clearButton,
    ),
    panel,
  );
  return { element, show, clear, showClear, stop: () => texts.forEach((text) => text.cancel()) };
}

function chip(name, value, remove) {
  const shown = name === 'active' ? (value === 'true' ? 'Active' : 'Inactive') : h('bdi', { text: value });
  return h(
    'span',
    { class: 'chip', data: { testid: 'filter-chip', filter: name } },
    h('span', { class: 'chip-text', title: value }, `${LABELS[name]}: `, shown),
    h(
      'button',
      {
        class: 'chip-remove',
        type: 'button',
        'aria-label': `Remove the filter ${LABELS[name]}`,
        on: { click: remove },
      },
      icon('cross'),
    ),
  );
}
