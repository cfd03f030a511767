// The rows an import set aside, and the products an undo left alone, a page at a time.

import { h } from '../core/dom.js';
import { formatCount, formatNumber } from '../core/format.js';
import { icon } from '../core/icons.js';
import { pagedPanel } from '../core/paged-panel.js';
import { importApiPath } from './job-actions.js';
import { isUndo } from './job.js';

/**
 * @param {object} job with rejected rows
 * @param {object} [options]
 * @param {boolean} [options.open]
 * @param {number} [options.count] when the job itself does not count them yet
 * @param {string} [options.hint]
 * @returns {HTMLElement} an expander
 */
export function createRejectsPanel(
  job,
  { open = false, count = job.rejected_count, hint = 'The other rows went in.' } = {},
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
        h('th', { scope: 'col', text: 'Row as it was' }),
      ];
  return pagedPanel({
    summary: [
      icon('warning', 'tone-warning'),
      h('span', { text: title }),
      h('span', { class: 'muted panel-hint', text: undo ? 'They were edited or deleted since.' : hint }),
    ],
    label: undo ? 'Products left alone' : 'Rejected rows',
    heads,
    testid: 'rejects',
    open,
    tools: undo ? null : download(job),
    nothing: 'They are no longer kept.',
    source: () => ({ path: importApiPath(job.task_id, 'rejects') }),
    rows: ({ rejects }) => rejects.map(undo ? leftAloneRow : rejectRow),
  }).element;
}

function download(job) {
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
    h('span', { class: 'muted', text: 'Correct them and import that file: its extra columns do not matter.' }),
  );
}

function rejectRow(reject) {
  const row = rowText(reject.row);
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
    h('td', { class: 'reject-row' }, h('code', { text: row, title: row })),
  );
}

function leftAloneRow(reject) {
  const sku = rowText(reject.row);
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

function rowText(row) {
  if (Array.isArray(row)) return row.map((value) => value ?? '').join(', ');
  return row && typeof row === 'object' ? JSON.stringify(row) : String(row ?? '');
}
