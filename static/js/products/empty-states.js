// What the product list shows without products.

import { h } from '../core/dom.js';
import { sampleLink } from '../core/download.js';
import { t } from '../core/i18n.js';
import { may } from '../core/session.js';
import { emptyState } from '../core/widgets.js';

/**
 * Create the content of an empty catalogue.
 * @param {() => void} create opens the dialog for a new product
 */
export function noProducts(create) {
  const state = emptyState({
    shape: 'box',
    title: t('products.empty.title'),
    detail: may('products:write') ? t('products.empty.text') : t('products.empty.text_viewer'),
    action: may('products:write')
      ? h(
          'div',
          { class: 'empty-actions' },
          h('a', { class: 'button button-primary', href: '#/import', text: t('products.empty.import') }),
          h('button', { class: 'button', type: 'button', text: t('products.new'), on: { click: create } }),
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
    title: t('products.empty.nothing_matches'),
    detail: t('products.empty.no_match'),
    action: h('button', {
      class: 'button',
      type: 'button',
      text: t('products.clear_filters'),
      data: { testid: 'clear-filters' },
      on: { click: clear },
    }),
  });
  state.dataset.testid = 'nothing-matches';
  return state;
}
