// The notice above the list that products have changed elsewhere.

import { fill, h } from '../core/dom.js';
import { icon } from '../core/icons.js';

/**
 * Create the notice, hidden at first.
 * @param {object} options
 * @param {() => void} options.onShow load the list again
 * @param {() => void} options.onLatest show the products that were changed last
 * @param {() => void} options.onFocusLost the notice had the focus and is gone
 * @returns {{element: HTMLElement, show: (wanted: boolean) => void}}
 */
export function createChangesOffer({ onShow, onLatest, onFocusLost }) {
  const element = h('div', { class: 'offer', role: 'status' });

  /** @param {boolean} wanted */
  function show(wanted) {
    const hadFocus = element.contains(document.activeElement);
    fill(
      element,
      wanted &&
        h(
          'div',
          { class: 'offer-pill', data: { testid: 'changes-offer' } },
          icon('refresh'),
          h('span', { text: 'Products have changed.' }),
          h('button', {
            class: 'link-button',
            type: 'button',
            text: 'Show',
            data: { testid: 'changes-show' },
            on: { click: onShow },
          }),
          h('button', {
            class: 'link-button',
            type: 'button',
            text: 'Latest first',
            title: 'Sort by the latest change, so that the changed products come first',
            data: { testid: 'changes-latest' },
            on: { click: onLatest },
          }),
        ),
    );
    if (hadFocus) onFocusLost();
  }

  return { element, show };
}
