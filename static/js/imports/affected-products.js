// The products that a job created, updated, deactivated, deleted or left out, with links to their current state.

import { h } from '../core/dom.js';
import { oneLine } from '../core/format.js';
import { t } from '../core/i18n.js';
import { pagedPanel } from '../core/paged-panel.js';
import { compareHeads, compareRows } from './compare-rows.js';
import { bulkChangedCount, countLabel } from './counts.js';
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
    const { name: word, value: count } = bulkChangedCount(job);
    return count ? [{ name, label: countLabel(word), count }] : [];
  }
  /** @type {Change[]} */
  const changes = [
    { name: 'created', label: t('imports.result.affected.created'), count: job.created_count },
    { name: 'updated', label: t('imports.result.affected.updated'), count: job.updated_count },
    job.options.missing === 'delete'
      ? { name: 'deleted', label: t('imports.result.affected.deleted'), count: job.missing_count }
      : { name: 'deactivated', label: t('imports.result.affected.deactivated'), count: job.missing_count },
    { name: 'left_out', label: t('imports.result.affected.left_out'), count: job.skipped_count },
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
    label: t('imports.result.affected.tabs'),
    testid: 'affected',
    tabs: changes,
    onChoose: (name) => choose(name),
  });
  tabs.show(chosen);
  const panel = pagedPanel({
    summary: [
      h('span', { text: t('imports.result.affected.title') }),
      h('span', { class: 'muted', data: { testid: 'affected-counts' }, text: countsOf(changes) }),
    ],
    label: t('imports.result.affected.title'),
    testid: 'affected',
    heads: compareHeads(['SKU']),
    tableClass: 'table-compare',
    tools: h('div', { class: 'panel-tools' }, tabs.element),
    nothing: t('imports.result.affected.nothing'),
    source: () => ({ path: importApiPath(job.task_id, 'products'), query: { change: chosen } }),
    /** @param {ImportedProducts} answer */
    rows: ({ products }) => products.flatMap(productRows),
  });
  /** @param {ImportedProduct['change']} name */
  function choose(name) {
    chosen = name;
    tabs.show(name);
    panel.load(1);
  }
  return { element: panel.element, choose };
}

/**
 * Return the counts that the closed panel shows, such as "Created 183 · Updated 12".
 * @param {Change[]} changes
 */
export const countsOf = (changes) =>
  changes.map(({ label, count }) => t('imports.result.affected.count', { label, count })).join(' · ');

/**
 * @param {ImportedProduct} row
 * @returns {HTMLElement[]} a row for each field that the job has changed
 */
function productRows(row) {
  const { change, sku, product, before, after } = row;
  const href = product && `#/products?${new URLSearchParams({ sku: product.sku })}`;
  const name = href
    ? h('a', { class: 'sku', href, text: sku, title: sku })
    : h('span', { class: 'sku', text: sku ?? '–' });
  const note = noteOf(row);
  const lead = h(
    'td',
    { class: 'compare-sku' },
    name,
    product?.name && !(after && 'name' in after)
      ? h('span', { class: 'cell-below muted', text: oneLine(product.name) })
      : null,
    note ? h('span', { class: 'cell-below muted', text: note, data: { testid: 'affected-note' } }) : null,
  );
  const fields = Object.keys(after ?? before ?? {}).filter((field) => field !== 'sku');
  // A product that is gone, or that was left out, has no values to compare.
  const isDeletion = change === 'deleted';
  return compareRows({ leads: [lead], fields: after || isDeletion ? fields : [], before, after });
}

/** @param {ImportedProduct} row */
function noteOf({ change, product, edited_since: isEdited }) {
  if (change === 'deleted') return product ? t('imports.result.affected.exists_again') : '';
  if (!product) return change === 'left_out' ? t('imports.result.affected.no_such') : t('imports.result.affected.gone');
  return isEdited ? t('imports.result.affected.edited') : '';
}
