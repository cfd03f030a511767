// The table of products and the dialog that shows one in full.

import { openDialog } from './dialog.js';
import { fill, h } from './dom.js';
import { formatTime } from './format.js';
import { icon } from './icons.js';
import { timeElement } from './widgets.js';

const COLUMNS = [['SKU', 'col-sku'], ['Name', 'col-name'], ['Description', 'col-description wide'], ['Active', 'col-active'], ['Updated', 'col-updated medium']];
const SKELETON_ROWS = 14;

/**
 * @returns {{element: HTMLElement, show: (products: object[]) => void, showLoading: () => void, showInstead: (content: HTMLElement) => void,
 *   showFailure: () => void}}
 */
export function productsTable() {
  const body = h('tbody');
  const table = h('table', { class: 'table table-products', data: { testid: 'products-table' } },
    h('caption', { class: 'visually-hidden', text: 'Products' }),
    h('thead', {}, h('tr', {}, COLUMNS.map(([label, name]) => h('th', { scope: 'col', class: name, text: label })))),
    body);
  const element = h('div', { class: 'table-scroll', tabindex: '0', role: 'region', 'aria-label': 'Table of products' }, table);

  const show = (products) => {
    fill(body, products.map(productRow));
    element.removeAttribute('aria-busy');
    if (!table.isConnected) fill(element, table);
    element.scrollTop = 0;
  };
  // The first load has skeleton rows; later ones keep the old rows, so that nothing jumps.
  const showLoading = () => {
    element.setAttribute('aria-busy', 'true');
    if (!body.childElementCount) fill(body, Array.from({ length: SKELETON_ROWS }, skeletonRow));
    if (!table.isConnected && !element.childElementCount) fill(element, table);
  };
  const showInstead = (content) => {
    element.removeAttribute('aria-busy');
    fill(body);
    fill(element, content);
  };
  // Old rows stay readable; skeletons would promise something that does not come.
  const showFailure = () => {
    element.removeAttribute('aria-busy');
    if (body.querySelector('.skeleton')) fill(body);
  };
  return { element, show, showLoading, showInstead, showFailure };
}

function productRow(product) {
  const open = () => openProduct(product);
  const isOwnClick = (event) => !event.target.closest('button') && window.getSelection().isCollapsed;
  return h('tr', { class: 'row-link', on: { click: (event) => isOwnClick(event) && open() } },
    h('td', { class: 'col-sku' }, h('button', { class: 'link-button sku', type: 'button', text: product.sku, title: product.sku, on: { click: open } })),
    h('td', { class: 'col-name', text: product.name, title: product.name }),
    h('td', { class: 'col-description wide muted', text: oneLine(product.description), title: product.description }),
    h('td', { class: 'col-active' }, activePill(product.active)),
    h('td', { class: 'col-updated medium muted' }, timeElement(product.updated_at)));
}

function skeletonRow() {
  return h('tr', { 'aria-hidden': 'true' }, COLUMNS.map(([, name]) => h('td', { class: name }, h('span', { class: 'skeleton' }))));
}

function activePill(active) {
  return h('span', { class: `pill pill-plain ${active ? 'pill-success' : 'pill-neutral'}` },
    icon(active ? 'check' : 'slash'), h('span', { text: active ? 'Active' : 'Inactive' }));
}

// A browser lays out a whole cell before it cuts it; a megabyte of text would be felt.
const oneLine = (text) => (text ?? '').slice(0, 300).replace(/\s+/g, ' ');

function openProduct(product) {
  const field = (label, content, name = '') => [h('dt', { text: label }), h('dd', { class: name }, content)];
  openDialog(product.name || product.sku,
    h('dl', { class: 'product-fields' },
      field('SKU', product.sku, 'sku'),
      field('Name', product.name || none()),
      field('Description', product.description || none(), 'product-description'),
      field('Active', activePill(product.active)),
      field('Created', formatTime(product.created_at)),
      field('Updated', formatTime(product.updated_at))));
}

const none = () => h('span', { class: 'muted', text: 'None' });
