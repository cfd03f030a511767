// The products that a job created, updated, deactivated, deleted or left out, with links to their current state.

import { h } from '../core/dom.js';
import { icon } from '../core/icons.js';
import { pagedPanel } from '../core/paged-panel.js';
import { bulkCounts } from './bulk-texts.js';
import { importApiPath } from './job-actions.js';
import { isBulk } from './job.js';
import { createTabs } from './list-tools.js';

/** @import { ImportDetail, ImportedProduct, ImportedProducts } from '../core/types.d.ts' */

/** @typedef {{name: ImportedProduct['change'], label: string, count: number}} Change */

/**
 * @param {ImportDetail} job
 * @returns {Change[]} the kinds of change that this job made
 */
function changesOf(job) {
  if (isBulk(job)) {
    const name = job.bulk.action === 'delete' ? 'deleted' : 'updated';
    const [changed] = bulkCounts(job);
    return changed?.value ? [{ name, label: changed.label, count: changed.value }] : [];
  }
  /** @type {Change[]} */
  const changes = [
    { name: 'created', label: 'Created', count: job.created_count },
    { name: 'updated', label: 'Updated', count: job.updated_count },
    job.options.missing === 'delete'
      ? { name: 'deleted', label: 'Deleted', count: job.missing_count }
      : { name: 'deactivated', label: 'Deactivated', count: job.missing_count },
    { name: 'left_out', label: 'Left out', count: job.skipped_count },
  ];
  return changes.filter(({ count }) => count);
}

/**
 * Create the panel with the products.
 * @param {ImportDetail} job a finished import or bulk change
 * @returns {{element: HTMLElement, choose: (change: ImportedProduct['change']) => void} | null} `choose` loads the
 *   products with this change; null if the import affected no product
 */
export function createAffectedProductsPanel(job) {
  const changes = changesOf(job);
  const [first] = changes;
  if (!first) return null;
  let chosen = first.name;
  const tabs = createTabs({
    label: 'What happened to them',
    testid: 'affected',
    tabs: changes,
    onChoose: (name) => choose(name),
  });
  tabs.show(chosen);
  const panel = pagedPanel({
    summary: [h('span', { text: 'Affected products' })],
    label: 'Affected products',
    testid: 'affected',
    heads: [
      h('th', { scope: 'col', text: 'SKU' }),
      h('th', { scope: 'col', text: 'Name' }),
      h('th', { scope: 'col', class: 'medium', text: 'Status' }),
    ],
    tools: h('div', { class: 'panel-tools' }, tabs.element),
    nothing: 'The list of these products is no longer stored.',
    source: () => ({ path: importApiPath(job.task_id, 'products'), query: { change: chosen } }),
    /** @param {ImportedProducts} answer */
    rows: ({ products }) => products.map(productRow),
  });
  /** @param {ImportedProduct['change']} name */
  function choose(name) {
    chosen = name;
    tabs.show(name);
    panel.load(1);
  }
  return { element: panel.element, choose };
}

/** @param {ImportedProduct} row */
function productRow({ sku, product }) {
  if (!product) {
    return h(
      'tr',
      {},
      h('td', { class: 'affected-sku' }, h('span', { class: 'sku', text: sku ?? '–' })),
      h('td', { class: 'muted', text: 'This product no longer exists.' }),
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
