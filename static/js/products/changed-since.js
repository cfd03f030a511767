// The filter by the time of the last change: today, the last 24 hours, the last 7 days, or since a date.

import { h, setText } from '../core/dom.js';
import { formatMoment } from '../core/format.js';
import { t } from '../core/i18n.js';
import { serverNow } from '../core/server-clock.js';

const HOUR_MS = 3_600_000;

/** @type {[value: string, text: string][]} */
const CHOICES = [
  ['', t('products.since.any')],
  ['today', t('products.since.today')],
  ['day', t('products.since.day')],
  ['week', t('products.since.week')],
  ['date', t('products.since.date')],
];

/**
 * Return the beginning of a choice, as the address has it.
 * @param {string} choice
 * @param {number} now milliseconds
 * @returns {string | undefined} undefined for any time
 */
export function beginningOf(choice, now) {
  const midnight = new Date(now);
  midnight.setHours(0, 0, 0, 0);
  const beginnings = new Map([
    ['today', midnight.getTime()],
    ['day', now - 24 * HOUR_MS],
    ['week', now - 7 * 24 * HOUR_MS],
  ]);
  const beginning = beginnings.get(choice);
  return beginning === undefined ? undefined : new Date(beginning).toISOString();
}

/**
 * Return the beginning of a day of the reader's time zone; undefined if the text is no date.
 * @param {string} date such as "2026-11-24"
 */
export function beginningOfDay(date) {
  const time = new Date(`${date}T00:00:00`).getTime();
  return Number.isNaN(time) ? undefined : new Date(time).toISOString();
}

/**
 * Create the filter.
 * @param {(value: string | undefined) => void} onChange called with the beginning
 * @returns {{element: HTMLElement, show: (value: string) => void}}
 */
export function createChangedSince(onChange) {
  // Stands for the time in the address, which is none of the choices.
  const current = h('option', { value: 'current', hidden: true });
  const chooseDate = () => {
    if (date.value) onChange(beginningOfDay(date.value));
  };
  /** @type {HTMLInputElement} */
  const date = h('input', {
    class: 'input',
    type: 'date',
    'aria-label': t('products.since.this_date'),
    hidden: true,
    data: { testid: 'changed-since-date' },
    on: { change: chooseDate },
  });
  /** @type {HTMLSelectElement} */
  const select = h(
    'select',
    { class: 'input', data: { testid: 'changed-since' }, on: { change: choose } },
    CHOICES.map(([value, text]) => h('option', { value, text })),
    current,
  );
  function choose() {
    date.hidden = select.value !== 'date';
    if (!date.hidden) return date.focus();
    return select.value === 'current' ? undefined : onChange(beginningOf(select.value, serverNow()));
  }
  /** @param {string} value the beginning, as the address has it; "" for any time */
  const show = (value) => {
    current.hidden = !value;
    setText(current, value ? t('products.since.since', { time: formatMoment(value) }) : '');
    if (value) select.value = 'current';
    else if (date.hidden || document.activeElement !== date) select.value = '';
    date.hidden = select.value !== 'date';
  };
  const element = h(
    'div',
    { class: 'filter-field' },
    h('label', { class: 'filter-field' }, h('span', { text: t('products.since.changed') }), select),
    date,
  );
  return { element, show };
}
