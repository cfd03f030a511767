// Counts side by side. The tiles stay while their names do, so that numbers can be selected while they change.

import { fill, h, setText } from '../core/dom.js';
import { formatNumber } from '../core/format.js';

/**
 * @returns {{element: HTMLElement, show: (counts: import('./descriptions.js').Count[]) => void}}
 */
export function createCountTiles() {
  const element = h('dl', { class: 'counts' });
  let values = [];
  let shown = '';
  const show = (counts) => {
    const names = counts.map(({ name }) => name).join();
    if (names !== shown) {
      shown = names;
      values = counts.map(({ name }) => h('dd', { class: 'tabular', data: { testid: `count-${name}` } }));
      element.style.setProperty('--tiles', counts.length);
      fill(
        element,
        counts.map(({ name, label }, index) =>
          h('div', { class: 'count', data: { count: name } }, h('dt', { text: label }), values[index]),
        ),
      );
    }
    counts.forEach(({ value }, index) => {
      setText(values[index], formatNumber(value));
      values[index].parentElement.classList.toggle('is-zero', value === 0);
    });
  };
  return { element, show };
}
