// The pager under a table. It keeps its elements, so that the focus survives a change of page.

import { h, setText } from './dom.js';
import { formatNumber } from './format.js';
import { icon } from './icons.js';

/**
 * @param {object} options
 * @param {string} options.label what is paged, for screen readers
 * @param {(page: number) => void} options.onPage
 * @param {number[]} [options.sizes] choices of rows per page
 * @param {(size: number) => void} [options.onSize]
 * @returns {{element: HTMLElement, show: (pagination: {page: number, per_page: number, total: number, pages: number}) => void}}
 */
export function createPager({ label, onPage, sizes, onSize }) {
  let page = 1;
  let pages = 1;
  const turn = (target) => {
    const bounded = Math.min(pages, Math.max(1, target));
    if (bounded !== page) onPage(bounded);
  };
  const button = (shape, text, target) => h('button', {
    class: 'icon-button', type: 'button', 'aria-label': text, title: text, on: { click: (event) => !isOff(event.currentTarget) && turn(target()) },
  }, icon(shape));

  const first = button('first', 'First page', () => 1);
  const previous = button('previous', 'Previous page', () => page - 1);
  const next = button('next', 'Next page', () => page + 1);
  const last = button('last', 'Last page', () => pages);
  const input = pageInput(turn, () => page);
  const count = h('span', { class: 'pager-pages' });
  const range = h('p', { class: 'pager-range' });
  const size = sizes ? sizeSelect(sizes, onSize) : null;

  const element = h('nav', { class: 'pager', 'aria-label': `Pages of ${label}` },
    range,
    size?.element,
    h('div', { class: 'pager-turn' }, first, previous, h('label', { class: 'pager-input' }, h('span', { text: 'Page' }), input), count, next, last));

  const show = (pagination) => {
    page = pagination.page;
    pages = Math.max(1, pagination.pages);
    const from = pagination.total ? (page - 1) * pagination.per_page + 1 : 0;
    const to = Math.min(pagination.total, page * pagination.per_page);
    setText(range, from > to ? `0 of ${formatNumber(pagination.total)}` : `${formatNumber(from)}–${formatNumber(to)} of ${formatNumber(pagination.total)}`);
    setText(count, `of ${formatNumber(pages)}`);
    input.value = String(page);
    input.max = String(pages);
    input.disabled = pages === 1;
    turnOff(first, page <= 1);
    turnOff(previous, page <= 1);
    turnOff(next, page >= pages);
    turnOff(last, page >= pages);
    size?.show(pagination.per_page);
  };
  return { element, show };
}

function pageInput(turn, currentPage) {
  const input = h('input', { class: 'input', type: 'number', min: 1, inputmode: 'numeric', value: '1' });
  input.addEventListener('change', () => {
    const wanted = Math.round(Number(input.value));
    if (wanted >= 1) turn(wanted);
    input.value = String(wanted >= 1 ? Math.min(wanted, Number(input.max)) : currentPage());
  });
  return input;
}

function sizeSelect(sizes, onSize) {
  const select = h('select', { class: 'input', on: { change: () => onSize(Number(select.value)) } },
    sizes.map((size) => h('option', { value: size, text: String(size) })));
  const element = h('label', { class: 'pager-size' }, h('span', { text: 'Rows' }), select);
  const show = (size) => {
    // An address may ask for a size that is not among the choices.
    if (!sizes.includes(size) && !select.querySelector(`[value="${size}"]`)) select.append(h('option', { value: size, text: String(size) }));
    select.value = String(size);
  };
  return { element, show };
}

// aria-disabled instead of disabled: a button that is switched off while focused would throw the focus away.
function turnOff(button, off) {
  button.setAttribute('aria-disabled', String(off));
}

const isOff = (button) => button.getAttribute('aria-disabled') === 'true';
