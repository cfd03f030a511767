// The pager of a table. It keeps its elements, so that the focus survives a change of page.

import { h, setText } from './dom.js';
import { t } from './i18n.js';
import { icon } from './icons.js';

/** @import { IconName } from './icons.js' */
/** @import { Pagination } from './types.d.ts' */

/**
 * Create a pager.
 * @param {object} options
 * @param {string} options.label name of the table, for screen readers
 * @param {(page: number) => void} options.onPage
 * @param {number[]} [options.sizes] choices of rows per page; without them the pager has no select
 * @param {(size: number) => void} [options.onSize]
 * @returns {{element: HTMLElement,
 *   show: (pagination: Pagination & {next?: string | null, total_is_estimate?: boolean}) => void}}
 */
export function createPager({ label, onPage, sizes, onSize = () => {} }) {
  let page = 1;
  let pages = 1;
  /** @param {number} target */
  const turn = (target) => {
    if (target >= 1 && target !== page) onPage(target);
  };
  /**
   * @param {IconName} shape
   * @param {string} text
   * @param {() => number} target page
   * @param {string} [testid]
   */
  const createButton = (shape, text, target, testid) => {
    /** @type {HTMLButtonElement} */
    const button = h(
      'button',
      {
        class: 'icon-button',
        type: 'button',
        'aria-label': text,
        title: text,
        data: testid ? { testid } : {},
        on: { click: () => !isOff(button) && turn(target()) },
      },
      icon(shape),
    );
    return button;
  };

  const first = createButton('first', t('core.pager.first'), () => 1);
  const previous = createButton('previous', t('core.pager.previous'), () => page - 1, 'page-previous');
  const next = createButton('next', t('core.pager.next'), () => page + 1, 'page-next');
  const last = createButton('last', t('core.pager.last'), () => pages);
  const input = pageInput(
    (wanted) => turn(Math.min(wanted, Number(input.max))),
    () => page,
  );
  const count = h('span', { class: 'pager-pages' });
  const range = h('p', { class: 'pager-range' });
  const size = sizes ? sizeSelect(sizes, onSize) : null;

  const element = h(
    'nav',
    { class: 'pager', 'aria-label': t('core.pager.label', { label }) },
    range,
    size?.element,
    h(
      'div',
      { class: 'pager-turn' },
      first,
      previous,
      h('label', { class: 'pager-input' }, h('span', { text: t('core.pager.page') }), input),
      count,
      next,
      last,
    ),
  );

  /** @param {Pagination & {next?: string | null, total_is_estimate?: boolean}} pagination */
  const show = (pagination) => {
    page = pagination.page;
    pages = Math.max(1, pagination.pages);
    const { total, per_page: perPage, total_is_estimate: isEstimate = false } = pagination;
    const from = total ? (page - 1) * perPage + 1 : 0;
    const to = Math.min(Math.max(total, from), page * perPage);
    setText(
      range,
      from > total && !isEstimate
        ? t('core.pager.none', { count: total })
        : t('core.pager.range', { from, to, isEstimate, count: total }),
    );
    setText(count, t('core.pager.of', { isEstimate, count: pages }));
    input.value = String(page);
    input.max = String(Math.max(page, pages));
    input.disabled = pages === 1;
    turnOff(first, page <= 1);
    turnOff(previous, page <= 1);
    turnOff(next, page >= pages && !pagination.next);
    // Only an exact total tells which page is the last one.
    turnOff(last, page >= pages || isEstimate);
    size?.show(perPage);
  };
  return { element, show };
}

/**
 * @param {(page: number) => void} turn
 * @param {() => number} currentPage
 */
function pageInput(turn, currentPage) {
  const input = h('input', {
    class: 'input',
    type: 'number',
    min: 1,
    inputmode: 'numeric',
    value: '1',
    data: { testid: 'page-number' },
  });
  input.addEventListener('change', () => {
    const wanted = Math.round(Number(input.value));
    if (wanted >= 1) turn(wanted);
    input.value = String(wanted >= 1 ? Math.min(wanted, Number(input.max)) : currentPage());
  });
  return input;
}

/**
 * @param {number[]} sizes
 * @param {(size: number) => void} onSize
 */
function sizeSelect(sizes, onSize) {
  /** @type {HTMLSelectElement} */
  const select = h(
    'select',
    { class: 'input', data: { testid: 'page-size' }, on: { change: () => onSize(Number(select.value)) } },
    sizes.map((size) => h('option', { value: size, text: String(size) })),
  );
  const element = h('label', { class: 'pager-size' }, h('span', { text: t('core.pager.rows') }), select);
  /** @param {number} size */
  const show = (size) => {
    // An address can have a size that is not among the choices.
    if (!sizes.includes(size) && !select.querySelector(`[value="${size}"]`)) {
      select.append(h('option', { value: size, text: String(size) }));
    }
    select.value = String(size);
  };
  return { element, show };
}

/**
 * Use aria-disabled instead of `disabled`: a button that is disabled while it has the focus would lose it.
 * @param {HTMLElement} button
 * @param {boolean} off
 */
function turnOff(button, off) {
  button.setAttribute('aria-disabled', String(off));
}

/** @param {HTMLElement} button */
const isOff = (button) => button.getAttribute('aria-disabled') === 'true';
