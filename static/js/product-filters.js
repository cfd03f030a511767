// Search box, field and active filter of the products, kept in step with the address.

import { debounce, fill, h } from './dom.js';
import { icon } from './icons.js';
import { setQuery } from './router.js';

const TYPING_PAUSE_MS = 250;

const FIELDS = [['q', 'All fields'], ['sku', 'SKU'], ['name', 'Name'], ['description', 'Description']];
const FIELD_NAMES = FIELDS.map(([name]) => name);
const NO_FILTERS = { q: undefined, sku: undefined, name: undefined, description: undefined, active: undefined, page: undefined };

/**
 * @param {URLSearchParams} query of the address
 * @returns {Record<string, string>} the filters in it that say something
 */
export function filtersOf(query) {
  const found = FIELD_NAMES.map((name) => [name, query.get(name)]).filter(([, value]) => value);
  const active = query.get('active');
  if (active === 'true' || active === 'false') found.push(['active', active]);
  return Object.fromEntries(found);
}

/**
 * @returns {{element: HTMLElement, show: (filters: Record<string, string>) => void, clear: () => void, stop: () => void}}
 */
export function filterBar() {
  let field = 'q';
  const write = (options) => {
    later.cancel();
    setQuery({ [field]: input.value.trim() || undefined, page: undefined }, options);
  };
  const later = debounce(() => write({ replace: true }), TYPING_PAUSE_MS);
  const input = h('input', {
    class: 'input', id: 'product-search', type: 'search', placeholder: 'Search products', 'aria-label': 'Search products',
    'aria-keyshortcuts': '/', autocomplete: 'off', spellcheck: 'false', maxlength: 500, data: { testid: 'products-search' },
    on: { input: later, search: () => write(), keydown: (event) => onKey(event) },
  });
  const fieldSelect = select('Search in', FIELDS, () => changeField());
  const activeSelect = select('Status', [['', 'Any status'], ['true', 'Active'], ['false', 'Inactive']],
    () => setQuery({ active: activeSelect.value || undefined, page: undefined }));
  const clear = () => {
    later.cancel();
    input.value = '';
    setQuery(NO_FILTERS);
    input.focus();
  };
  const clearButton = h('button', { class: 'button button-quiet', type: 'button', text: 'Clear', 'aria-label': 'Clear filters', on: { click: clear } });
  const chips = h('div', { class: 'chips' });

  function changeField() {
    const earlier = field;
    field = fieldSelect.value;
    setQuery({ [earlier]: undefined, [field]: input.value.trim() || undefined, page: undefined }, { replace: true });
    input.focus();
  }

  function onKey(event) {
    if (event.key === 'Enter') write();
    if (event.key !== 'Escape' || !input.value) return;
    event.preventDefault();
    input.value = '';
    write();
  }

  const show = (filters) => {
    const texts = FIELD_NAMES.filter((name) => filters[name]);
    if (texts.length && !filters[field]) [field] = texts;
    fieldSelect.value = field;
    // What is being typed is newer than the address.
    if (document.activeElement !== input || input.value.trim() !== (filters[field] ?? '')) input.value = filters[field] ?? '';
    activeSelect.value = filters.active ?? '';
    // An address may name several fields; those the box does not show are chips.
    fill(chips, texts.filter((name) => name !== field).map((name) => chip(name, filters[name])));
    clearButton.hidden = Object.keys(filters).length === 0;
  };

  const element = h('div', { class: 'filters', role: 'search', 'aria-label': 'Products' },
    // What comes and goes stands on the outer side, so that the box never moves under the hands of someone typing.
    chips, clearButton,
    h('div', { class: 'search' }, fieldSelect, h('div', { class: 'search-box' }, input, icon('search'), h('kbd', { 'aria-hidden': 'true', text: '/' }))),
    activeSelect);
  return { element, show, clear, stop: later.cancel };
}

function select(label, choices, onChange) {
  return h('select', { class: 'input', 'aria-label': label, on: { change: onChange } },
    choices.map(([value, text]) => h('option', { value, text })));
}

function chip(name, value) {
  const label = FIELDS.find(([field]) => field === name)[1];
  return h('span', { class: 'chip' }, h('span', { class: 'chip-text', text: `${label}: ${value}` }),
    h('button', { class: 'chip-remove', type: 'button', 'aria-label': `Remove the filter ${label}`, on: { click: () => setQuery({ [name]: undefined, page: undefined }) } },
      icon('cross')));
}
