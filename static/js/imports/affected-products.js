// The products an import created, updated or left out, each with a link to what it is now.

import { h } from '../core/dom.js';
import { formatNumber } from '../core/format.js';
import { icon } from '../core/icons.js';
import { pagedPanel } from '../core/paged-panel.js';
import { importApiPath } from './job-actions.js';

const CHANGES = [
  ['created', 'Created', 'created_count'],
  ['updated', 'Updated', 'updated_count'],
  ['left_out', 'Left out', 'skipped_count'],
];

/**
 * @param {object} job a finished import
 * @returns {HTMLElement|null} an expander; null when it affected nothing
 */
export function createAffectedProductsPanel(job) {
  const shown = CHANGES.filter(([, , field]) => job[field]);
  if (!shown.length) return null;
  let change = shown[0][0];
  const tabs = shown.map(([name, label, field]) =>
    h(
      'button',
      {
        class: 'filter-tab',
        type: 'button',
        'aria-pressed': String(name === change),
        data: { testid: `affected-${name}` },
        on: { click: () => choose(name) },
      },
      label,
      h('span', { class: 'tab-count tabular', text: formatNumber(job[field]) }),
    ),
  );
  const panel = pagedPanel({
    summary: [h('span', { text: 'Products it affected' })],
    label: 'Products it affected',
    testid: 'affected',
    heads: [
      h('th', { scope: 'col', text: 'SKU' }),
      h('th', { scope: 'col', text: 'Name' }),
      h('th', { scope: 'col', class: 'medium', text: 'Status' }),
    ],
    tools: h('div', { class: 'panel-tools filter-tabs', role: 'group', 'aria-label': 'What happened to them' }, tabs),
    nothing: 'Which products these were is no longer kept.',
    source: () => ({ path: importApiPath(job.task_id, 'products'), query: { change } }),
    rows: ({ products }) => products.map(affectedRow),
  });
  function choose(name) {
    change = name;
    tabs.forEach((tab, index) => tab.setAttribute('aria-pressed', String(shown[index][0] === name)));
    panel.load(1);
  }
  return panel.element;
}

function affectedRow({ sku, product }) {
  if (!product) {
    return h(
      'tr',
      {},
      h('td', { class: 'affected-sku' }, h('span', { class: 'sku', text: sku ?? '–' })),
      h('td', { class: 'muted', text: 'There is no such product now.' }),
      h('td', { class: 'medium' }),
    );
  }
  const href = `#/products?${new URLSearchParams({ sku: product.sku })}`;
  return h(
    'tr',
    {},
    h('td', { class: 'affected-sku' }, h('a', { class: 'sku', href, text: product.sku, title: product.sku })),
    h('td', { class: 'affected-name', text: product.name }),
    h(
      'td',
      { class: 'medium nowrap' },
      product.active ? [icon('check', 'tone-good inline-icon'), 'Active'] : 'Inactive',
    ),
  );
}
