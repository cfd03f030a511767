// The rows that an import rejected, or the products that an undo left alone, in a panel with pages. While the file can
// be corrected, each row can be edited.

import { fill, h } from '../core/dom.js';
import { formatNumber } from '../core/format.js';
import { t, tRich } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { pagedPanel } from '../core/paged-panel.js';
import { createPanelSearch } from '../core/panel-search.js';
import { hiddenText } from '../core/widgets.js';
import { keyOf } from './fix-drafts.js';
import { openFixRow } from './fix-row-dialog.js';
import { importApiPath } from './job-actions.js';
import { isBulk, isUndo } from './job.js';
import { openList } from './count-tiles.js';
import { changeHead, createRejectGroupsPanel, describeGroup } from './reject-groups.js';
import { listText, rejectText } from './server-texts.js';

/** @import { ImportJob, RejectGroup, RejectedRow, RejectedRows } from '../core/types.d.ts' */
/** @import { FixEditor } from './fix-editor.js' */

/**
 * Create the panel, and that of the reasons if there are several rows.
 * @param {ImportJob} job an import with rejected rows, or an undo that left products alone
 * @param {object} [options]
 * @param {boolean} [options.open]
 * @param {number} [options.count] rejected rows; by default those that the job counts
 * @param {string} [options.hint] what happened to the other rows
 * @param {FixEditor | null} [options.editor] null if the file cannot be corrected
 * @returns {{element: HTMLElement, groups: HTMLElement | null, stop: () => void}}
 */
export function createRejectsPanel(job, { open = false, count = job.rejected_count, hint = '', editor = null } = {}) {
  const undo = isUndo(job);
  const title = undo ? t('imports.reject.products_title', { count }) : t('imports.reject.rows_title', { count });
  const heads = undo
    ? [h('th', { scope: 'col', text: 'SKU' }), h('th', { scope: 'col', text: t('imports.reject.reason') })]
    : [
        h('th', { scope: 'col', class: 'number', text: t('imports.reject.line') }),
        h('th', { scope: 'col', text: t('imports.reject.reason') }),
        h('th', { scope: 'col', text: t('imports.reject.original_row') }),
        ...(editor ? [changeHead()] : []),
      ];
  /** @type {RejectGroup | null} */
  let chosen = null;
  /** @type {ReturnType<typeof createRejectRow>[]} */
  let shown = [];
  const search = createPanelSearch({
    label: t('imports.reject.search'),
    testid: 'rejects-search',
    onSearch: () => panel.load(1),
  });
  const filter = h('p', { class: 'reject-filter', role: 'status' });
  /** @param {RejectGroup | null} group null for all rows */
  const choose = (group) => {
    chosen = group;
    fill(filter, group && filterNote(group, () => choose(null)));
    search.markApplied();
    panel.load(1);
    openList(panel.element);
  };
  const query = () => ({
    q: search.value(),
    reason: chosen?.code,
    column: chosen?.column,
    value: chosen?.value,
  });
  const panel = pagedPanel({
    summary: [
      icon('warning', 'tone-warning'),
      h('span', { text: title }),
      h('span', {
        class: 'muted panel-hint',
        text: undo ? t('imports.reject.edited_since', { isBulk: isBulk(job) }) : hint,
      }),
    ],
    label: undo ? t('imports.reject.products_label') : t('imports.reject.rows_label'),
    heads,
    testid: 'rejects',
    tableClass: undo ? '' : 'table-rejects',
    open,
    tools: undo
      ? undefined
      : h('div', {}, downloadLink(job), h('div', { class: 'panel-tools list-tools' }, search.element, filter)),
    nothing: () => {
      if (undo) return t('imports.reject.products_not_stored');
      return chosen || search.value() ? t('imports.reject.no_match') : t('imports.reject.not_stored');
    },
    source: () => ({ path: importApiPath(job.task_id, 'rejects'), query: query() }),
    /** @param {RejectedRows} answer */
    rows: (answer) => {
      const { rejects } = answer;
      const message = listText(answer);
      shown = undo ? [] : rejects.map((reject) => createRejectRow(reject, editor));
      return [
        ...(undo ? rejects.map(productRow) : shown.map(({ element }) => element)),
        ...(message && rejects.length ? [messageRow(message, heads.length)] : []),
      ];
    },
  });
  const groups = undo || count < 2 ? null : createRejectGroupsPanel(job, { open, editor, onChoose: choose });
  const stopRows = editor?.drafts.changed.subscribe(() => shown.forEach(({ showDraft }) => showDraft()));
  const stop = () => {
    stopRows?.();
    groups?.stop();
  };
  return { element: panel.element, groups: groups?.element ?? null, stop };
}

/**
 * @param {RejectGroup} group whose rows are shown
 * @param {() => void} showAll
 */
const filterNote = (group, showAll) => [
  h('span', { text: t('imports.reject.only', { group: describeGroup(group) }) }),
  h('button', {
    class: 'button button-small',
    type: 'button',
    text: t('imports.reject.show_all'),
    data: { testid: 'rejects-show-all' },
    on: { click: showAll },
  }),
];

/**
 * @param {string} message why rows are missing
 * @param {number} columns
 */
const messageRow = (message, columns) => h('tr', {}, h('td', { class: 'muted', colspan: columns, message }));

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
      t('imports.reject.download'),
    ),
    h('span', { class: 'muted', text: t('imports.reject.download_hint') }),
  );
}

/**
 * @param {RejectedRow} reject
 * @param {FixEditor | null} editor
 * @returns {{element: HTMLElement, showDraft: () => void}}
 */
function createRejectRow(reject, editor) {
  const { line, code, row } = reject;
  const place = h('td', { class: 'fix-cell' });
  const button = editor
    ? h(
        'button',
        {
          class: 'button button-small',
          type: 'button',
          data: { testid: 'fix-row' },
          on: { click: () => openFixRow(reject, editor) },
        },
        tRich('imports.reject.edit_line', { line, hidden: hiddenText }),
      )
    : null;
  const pill = h('span', { class: 'pill pill-running', text: t('imports.reject.prepared'), hidden: true });
  place.append(...[button, pill].filter((node) => node !== null));
  const showDraft = () => {
    pill.hidden = !editor?.drafts.get(keyOf({ line }));
  };
  showDraft();
  const element = h(
    'tr',
    {},
    h('td', { class: 'number', data: { label: t('imports.reject.line') }, text: formatNumber(line) }),
    h(
      'td',
      { class: 'reject-reason' },
      h('span', { message: rejectText(reject) }),
      h('code', { class: 'muted', text: code }),
    ),
    h('td', { class: 'reject-row' }, h('code', { text: row, title: row })),
    editor ? place : null,
  );
  return { element, showDraft };
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
    h('td', { message: rejectText(reject) }),
  );
}
