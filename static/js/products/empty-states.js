// What the product list shows without products.

import { h } from '../core/dom.js';
import { sampleLink } from '../core/download.js';
import { may } from '../core/session.js';
import { emptyState } from '../core/widgets.js';

/**
 * Create the content of an empty catalogue.
 * @param {() => void} create opens the dialog for a new product
 */
export function noProducts(create) {
  const state = emptyState({
    shape: 'box',
    title: 'No products yet',
    detail: may('products:write')
      ? 'This is your catalogue. Import a CSV file, or add products one by one.'
      : 'This is the catalogue. Editors import products or add them one by one.',
    action: may('products:write')
      ? h(
          'div',
          { class: 'empty-actions' },
          h('a', { class: 'button button-primary', href: '#/import', text: 'Import products' }),
          h('button', { class: 'button', type: 'button', text: 'New product', on: { click: create } }),
          may('imports:write') ? sampleLink() : null,
        )
      : undefined,
  });
  state.dataset.testid = 'empty-products';
  return state;
}

/**
 * Create the content for filters that match no product.
 * @param {() => void} clear removes the filters
 */
export function nothingMatches(clear) {
  const state = emptyState({
    shape: 'search',
    title: 'Nothing matches',
    detail: 'No product matches all filters.',
    action: h('button', {
      class: 'button',
      type: 'button',
      text: 'Clear filters',
      data: { testid: 'clear-filters' },
      on: { click: clear },
    }),
  });
  state.dataset.testid = 'nothing-matches';
  return state;
}
