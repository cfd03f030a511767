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
 * @returns {{element: HTMLElement, show: (pagination: {page: number, per_page: number, total: number, pages: number,
 *   next?: string|null, total_is_estimate?: boolean}) => void}}
 */
export function createPager({ label, onPage, sizes, onSize }) {
  let page = 1;
  let pages = 1;
  const turn = (target) => {
    if (target >= 1 && target !== page) onPage(target);
  };
  const button = (shape, text, target, testid) => h('button', {
    class: 'icon-button', type: 'button', 'aria-label': text, title: text, data: testid ? { testid } : {},
    on: { click: (event) => !isOff(event.currentTarget) && turn(target()) },
  }, icon(shape));

  const first = button('first', 'First page', () => 1);
  const previous = button('previous', 'Previous page', () => page - 1, 'page-previous');
  const next = button('next', 'Next page', () => page + 1, 'page-next');
  const last = button('last', 'Last page', () => pages);
  const input = pageInput((wanted) => turn(Math.min(wanted, Number(input.max))), () => page);
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
    const { total, per_page: perPage, total_is_estimate: isEstimate = false } = pagination;
    const from = total ? (page - 1) * perPage + 1 : 0;
    const to = Math.min(Math.max(total, from), page * perPage);
    const of = `of ${isEstimate ? 'about ' : ''}`;
    setText(range, from > total && !isEstimate ? `0 of ${formatNumber(total)}` : `${formatNumber(from)}–${formatNumber(to)} ${of}${formatNumber(total)}`);
    setText(count, of + formatNumber(pages));
    input.value = String(page);
    input.max = String(Math.max(page, pages));
    input.disabled = pages === 1;
    turnOff(first, page <= 1);
    turnOff(previous, page <= 1);
    turnOff(next, page >= pages && !pagination.next);
    // Where the last page is, only an exact total can tell.
    turnOff(last, page >= pages || isEstimate);
    size?.show(perPage);
  };
  return { element, show };
}

function pageInput(turn, currentPage) {
  const input = h('input', { class: 'input', type: 'number', min: 1, inputmode: 'numeric', value: '1', data: { testid: 'page-number' } });
  input.addEventListener('change', () => {
    const wanted = Math.round(Number(input.value));
    if (wanted >= 1) turn(wanted);
    input.value = String(wanted >= 1 ? Math.min(wanted, Number(input.max)) : currentPage());
  });
  return input;
}

function sizeSelect(sizes, onSize) {
  const select = h('select', { class: 'input', data: { testid: 'page-size' }, on: { change: () => onSize(Number(select.value)) } },
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
