// Counts side by side. Elements are kept while the names stay the same, so that people can select changing numbers.

import { fill, h, setText } from '../core/dom.js';
import { formatNumber } from '../core/format.js';
import { t } from '../core/i18n.js';
import { countLabel, describeCount } from './counts.js';

/** @import { Count } from './counts.js' */

/**
 * Functions that open the list of a count, by the name of the count.
 * @typedef {Partial<Record<string, () => void>>} OpenLists
 */

/**
 * Create the tiles.
 * @param {OpenLists} [lists] makes a count a button, unless it is 0
 * @returns {{element: HTMLElement, show: (counts: Count[]) => void}}
 */
export function createCountTiles(lists = {}) {
  const element = h('dl', { class: 'counts' });
  /** @type {HTMLElement[]} */
  let values = [];
  /** @param {Count} count */
  const isLinked = ({ name, value }) => value > 0 && Boolean(lists[name]);
  /** @param {Count} count */
  const valueElement = (count) => {
    const { name } = count;
    /** @type {Record<string, string>} */
    const data = { testid: `count-${name}` };
    if (!isLinked(count)) return h('dd', { class: 'tabular', data });
    const button = h('button', {
      class: 'link-button count-link',
      type: 'button',
      'aria-label': t('imports.count.show_list', { count: describeCount(count) }),
      on: { click: () => lists[name]?.() },
    });
    return h('dd', { class: 'tabular', data }, button);
  };
  let shownNames = '';
  /** @param {Count[]} counts */
  const show = (counts) => {
    const names = counts.map((count) => count.name + (isLinked(count) ? '+' : '')).join();
    if (names !== shownNames) {
      shownNames = names;
      values = counts.map(valueElement);
      element.style.setProperty('--tiles', String(counts.length));
      fill(
        element,
        counts.map(({ name }, index) =>
          h('div', { class: 'count', data: { count: name } }, h('dt', { text: countLabel(name) }), values[index]),
        ),
      );
    }
    values.forEach((valueCell, index) => {
      const value = counts[index]?.value ?? 0;
      setText(valueCell.firstElementChild ?? valueCell, formatNumber(value));
      valueCell.parentElement?.classList.toggle('is-zero', value === 0);
    });
  };
  return { element, show };
}

/**
 * Show a list of the page: open it, scroll to it and move the focus there.
 * @param {HTMLElement} list a panel, or another element that can take the focus
 */
export function openList(list) {
  if (list instanceof HTMLDetailsElement) list.open = true;
  list.scrollIntoView({ block: 'start' });
  (list.querySelector('summary') ?? list).focus({ preventScroll: true });
}
