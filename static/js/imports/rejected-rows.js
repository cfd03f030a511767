// The rows that an import rejected, or the products that an undo left alone, in a panel with pages.

import { h } from '../core/dom.js';
import { formatCount, formatNumber } from '../core/format.js';
import { icon } from '../core/icons.js';
import { pagedPanel } from '../core/paged-panel.js';
import { importApiPath } from './job-actions.js';
import { isUndo } from './job.js';

/** @import { ImportJob, RejectedRow, RejectedRows } from '../core/types.d.ts' */

/**
 * Create the panel.
 * @param {ImportJob} job an import with rejected rows, or an undo that left products alone
 * @param {object} [options]
 * @param {boolean} [options.open]
 * @param {number} [options.count] rejected rows; by default those that the job counts
 * @param {string} [options.hint] what happened to the other rows
 * @returns {HTMLElement}
 */
export function createRejectsPanel(
  job,
  { open = false, count = job.rejected_count, hint = 'The other rows were imported.' } = {},
) {
  const undo = isUndo(job);
  const title = undo
    ? `${formatCount(count, 'product was', 'products were')} left alone`
    : `${formatCount(count, 'row was', 'rows were')} rejected`;
  const heads = undo
    ? [h('th', { scope: 'col', text: 'SKU' }), h('th', { scope: 'col', text: 'Reason' })]
    : [
        h('th', { scope: 'col', class: 'number', text: 'Line' }),
        h('th', { scope: 'col', text: 'Reason' }),
        h('th', { scope: 'col', text: 'Original row' }),
      ];
  return pagedPanel({
    summary: [
      icon('warning', 'tone-warning'),
      h('span', { text: title }),
      h('span', { class: 'muted panel-hint', text: undo ? 'They were edited or deleted since the import.' : hint }),
    ],
    label: undo ? 'Products left alone' : 'Rejected rows',
    heads,
    testid: 'rejects',
    open,
    tools: undo ? undefined : downloadLink(job),
    nothing: undo ? 'These products are no longer stored.' : 'These rows are no longer stored.',
    source: () => ({ path: importApiPath(job.task_id, 'rejects') }),
    /** @param {RejectedRows} answer */
    rows: ({ rejects, message }) => [
      ...rejects.map(undo ? productRow : rejectRow),
      ...(message && rejects.length ? [messageRow(message, heads.length)] : []),
    ],
  }).element;
}

/**
 * @param {string} message why rows are missing
 * @param {number} columns
 */
const messageRow = (message, columns) => h('tr', {}, h('td', { class: 'muted', colspan: columns, text: message }));

/** @param {ImportJob} job */
function downloadLink(job) {
  return h(
    'p',
    { class: 'panel-tools' },
    h(
      'a',
      {
        class: 'button button-small',
        href: `${importApiPath(job.task_id, 'rejects.csv')}?bom=true`,
        download: true,
        data: { testid: 'rejects-download' },
      },
      icon('download'),
      'Download rejects as CSV',
    ),
    h('span', { class: 'muted', text: 'Correct the rows in this file and import it. Its extra columns are ignored.' }),
  );
}

/** @param {RejectedRow} reject */
function rejectRow(reject) {
  return h(
    'tr',
    {},
    h('td', { class: 'number', text: formatNumber(reject.line) }),
    h(
      'td',
      { class: 'reject-reason' },
      h('span', { text: reject.message }),
      h('code', { class: 'muted', text: reject.code }),
    ),
    h('td', { class: 'reject-row' }, h('code', { text: reject.row, title: reject.row })),
  );
}

/** @param {RejectedRow} reject of an undo: its row is the SKU of a product */
function productRow(reject) {
  const { row: sku } = reject;
  const href = `#/products?${new URLSearchParams({ sku })}`;
  return h(
    'tr',
    {},
    h(
      'td',
      {},
      reject.code === 'deleted_since'
        ? h('span', { class: 'sku', text: sku })
        : h('a', { class: 'sku', href, text: sku }),
    ),
    h('td', {}, reject.message),
  );
}
