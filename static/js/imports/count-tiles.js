// Counts side by side. Elements are kept while the names stay the same, so that people can select changing numbers.

import { fill, h, setText } from '../core/dom.js';
import { formatNumber } from '../core/format.js';

/** @import { Count } from './descriptions.js' */

/**
 * Create the tiles.
 * @returns {{element: HTMLElement, show: (counts: Count[]) => void}}
 */
export function createCountTiles() {
  const element = h('dl', { class: 'counts' });
  /** @type {HTMLElement[]} */
  let values = [];
  let shownNames = '';
  /** @param {Count[]} counts */
  const show = (counts) => {
    const names = counts.map(({ name }) => name).join();
    if (names !== shownNames) {
      shownNames = names;
      values = counts.map(({ name }) => h('dd', { class: 'tabular', data: { testid: `count-${name}` } }));
      element.style.setProperty('--tiles', String(counts.length));
      fill(
        element,
        counts.map(({ name, label }, index) =>
          h('div', { class: 'count', data: { count: name } }, h('dt', { text: label }), values[index]),
        ),
      );
    }
    values.forEach((valueElement, index) => {
      const value = counts[index]?.value ?? 0;
      setText(valueElement, formatNumber(value));
      valueElement.parentElement?.classList.toggle('is-zero', value === 0);
    });
  };
  return { element, show };
}
