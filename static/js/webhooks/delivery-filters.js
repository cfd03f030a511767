// The filters of a webhook's deliveries. The address holds them under the names of the API's parameters.

import { h } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { setQuery } from '../core/router.js';
import { textFilter } from '../core/text-filter.js';

/**
 * The filters by the parameter of the API.
 * @typedef {{status?: string, event?: string, since?: string, until?: string, id?: string,
 *   text?: string}} DeliveryFilters
 */

/** @type {(keyof DeliveryFilters)[]} */
const NAMES = ['status', 'event', 'since', 'until', 'id', 'text'];
/** A changed filter shows the first page. */
const FIRST_PAGE = { page: undefined };
/** @type {[status: string, label: string][]} */
const STATUSES = [
  ['', t('webhooks.filter.all')],
  ['pending', t('webhooks.status.pending')],
  ['delivered', t('webhooks.status.delivered')],
  ['failed', t('webhooks.status.failed')],
];
const EVENTS = [
  'product.created',
  'product.updated',
  'product.deleted',
  'product.bulk_deleted',
  'products.imported',
  'import.completed',
  'import.failed',
];

/**
 * Return the filters of an address. Empty values are left out; the server refuses invalid ones.
 * @param {URLSearchParams} query
 * @returns {DeliveryFilters}
 */
export function readDeliveryFilters(query) {
  const given = NAMES.map((name) => [name, query.get(name)?.trim() ?? '']).filter(([, value]) => value);
  return Object.fromEntries(given);
}

/** Remove all filters from the address. */
export function clearDeliveryFilters() {
  setQuery({ ...Object.fromEntries(NAMES.map((name) => [name, undefined])), ...FIRST_PAGE });
}

/**
 * Create the tabs for the status and the bar with the other filters.
 * @returns {{tabs: HTMLElement, bar: HTMLElement, show: (filters: DeliveryFilters) => void, stop: () => void}}
 */
export function createDeliveryFilters() {
  const links = STATUSES.map(([status, label]) =>
    h('a', {
      class: 'filter-tab',
      href: '#',
      text: label,
      data: { testid: `filter-${status || 'all'}` },
      on: {
        click: (event) => {
          event.preventDefault();
          setQuery({ status, ...FIRST_PAGE });
        },
      },
    }),
  );
  const event = h(
    'select',
    { class: 'input', 'aria-label': t('webhooks.filter.event'), data: { testid: 'filter-event' } },
    h('option', { value: '', text: t('webhooks.filter.any_event') }),
    EVENTS.map((name) => h('option', { value: name, text: name })),
  );
  event.addEventListener('change', () => setQuery({ event: event.value, ...FIRST_PAGE }));
  const since = timeFilter('since', t('webhooks.filter.from'));
  const until = timeFilter('until', t('webhooks.filter.to'));
  const id = textFilter('id', FIRST_PAGE, {
    type: 'search',
    placeholder: t('webhooks.filter.id'),
    'aria-label': t('webhooks.filter.id_hint'),
    testid: 'filter-id',
  });
  const text = textFilter('text', FIRST_PAGE, {
    type: 'search',
    placeholder: t('webhooks.filter.text'),
    'aria-label': t('webhooks.filter.text'),
    testid: 'filter-text',
  });
  const clear = h('button', {
    class: 'button button-quiet',
    type: 'button',
    text: t('common.clear_filters'),
    data: { testid: 'clear-filters' },
    on: { click: clearDeliveryFilters },
  });
  const bar = h(
    'div',
    { class: 'delivery-filters', role: 'search', 'aria-label': t('webhooks.deliveries.title') },
    h('div', { class: 'search-box' }, text.input, icon('search')),
    id.input,
    event,
    since.element,
    until.element,
    clear,
  );
  /** @param {DeliveryFilters} filters */
  const show = (filters) => {
    links.forEach((link, index) => {
      if (STATUSES[index]?.[0] === (filters.status ?? '')) link.setAttribute('aria-current', 'true');
      else link.removeAttribute('aria-current');
    });
    event.value = filters.event ?? '';
    since.show(filters.since ?? '');
    until.show(filters.until ?? '');
    id.show(filters.id ?? '');
    text.show(filters.text ?? '');
    clear.hidden = !Object.keys(filters).length;
  };
  const stop = () => {
    id.cancel();
    text.cancel();
  };
  return {
    tabs: h('nav', { class: 'filter-tabs', 'aria-label': t('webhooks.filter.status') }, links),
    bar,
    show,
    stop,
  };
}

/**
 * @param {'since' | 'until'} name
 * @param {string} label
 */
function timeFilter(name, label) {
  const input = h('input', { class: 'input', type: 'datetime-local', data: { testid: `filter-${name}` } });
  input.addEventListener('change', () => {
    const time = new Date(input.value);
    setQuery({ [name]: Number.isNaN(time.getTime()) ? undefined : time.toISOString(), ...FIRST_PAGE });
  });
  const element = h('label', { class: 'time-filter' }, h('span', { text: label }), input);
  /** @param {string} iso */
  const show = (iso) => {
    const value = toLocalInput(iso);
    // The time of a search has fractions of a second, which the field does not show.
    if (input.value !== value) input.value = value;
  };
  return { element, show };
}

/**
 * @param {string} iso
 * @returns {string} the local time as a field of type datetime-local has it, to the minute; "" if it is no time
 */
export function toLocalInput(iso) {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return '';
  const local = new Date(time.getTime() - time.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 'YYYY-MM-DDTHH:MM'.length);
}
