// What an import that awaits its confirmation would do with each row of its file, in a panel with pages.

import { queryString } from '../core/api.js';
import { h } from '../core/dom.js';
import { formatNumber } from '../core/format.js';
import { pagedPanel } from '../core/paged-panel.js';
import { createPanelSearch } from '../core/panel-search.js';
import { FIELD_LABELS, compareHeads, compareRows, differingFields } from './compare-rows.js';
import { createDownloadLink, createSelect, createTabs } from './list-tools.js';
import { importApiPath } from './job-actions.js';

/** @import { CheckedRow, CheckedRows, ImportDetail, Preview } from '../core/types.d.ts' */

/** @typedef {CheckedRow['kind']} Kind */

/**
 * Return the lists that have rows.
 * @param {Preview} preview
 * @returns {{name: Kind, label: string, count: number}[]}
 */
export function listsOf({ create, update, unchanged, skipped, missing, missing_action: action }) {
  /** @type {{name: Kind, label: string, count: number}[]} */
  const lists = [
    { name: 'changed', label: 'To update', count: update },
    { name: 'created', label: 'To create', count: create },
    { name: 'unchanged', label: 'Unchanged', count: unchanged - skipped },
    { name: 'skipped', label: 'Left out', count: skipped },
    { name: 'missing', label: action === 'delete' ? 'To delete' : 'To deactivate', count: missing },
  ];
  return lists.filter(({ count }) => count > 0);
}

/**
 * Return the choices of the filter by field: the changes that the check counted.
 * @param {Preview['fields']} fields
 * @returns {[value: string, label: string][]}
 */
export function fieldChoices(fields) {
  /** @type {[value: string, label: string][]} */
  const choices = [['', 'Any change']];
  for (const [field, { changed, cleared }] of Object.entries(fields)) {
    const label = FIELD_LABELS[field] ?? field;
    if (changed) choices.push([field, `${label} changes (${formatNumber(changed)})`]);
    if (cleared) choices.push([`${field} cleared`, `${label} becomes empty (${formatNumber(cleared)})`]);
  }
  return choices;
}

/**
 * Create the panel.
 * @param {ImportDetail} job an import that awaits its confirmation
 * @returns {{element: HTMLElement, choose: (kind: Kind, field?: string) => void} | null} `choose` loads the rows of a
 *   kind, with the value of a choice of the filter by field; null if there are no rows
 */
export function createCheckedRowsPanel(job) {
  const { preview } = job;
  const lists = preview ? listsOf(preview) : [];
  const [first] = lists;
  if (!preview || !first) return null;
  let chosen = first.name;
  const reload = () => {
    search.markApplied();
    download.update();
    panel.load(1);
  };
  const tabs = createTabs({
    label: 'What the import would do',
    testid: 'rows',
    tabs: lists,
    onChoose: (kind) => choose(kind),
  });
  const search = createPanelSearch({ label: 'Search in these rows', testid: 'rows-search', onSearch: reload });
  const choices = fieldChoices(preview.fields);
  const fields = createSelect({ label: 'Which change', testid: 'rows-field', choices, onChange: reload });
  const query = () => {
    const [field, effect] = chosen === 'changed' ? fields.value.split(' ') : [];
    return { kind: chosen, q: search.value(), field, cleared: effect ? true : undefined };
  };
  const download = createDownloadLink(
    'rows-download',
    () => importApiPath(job.task_id, 'rows.csv') + queryString({ ...query(), bom: true }),
  );
  const show = () => {
    tabs.show(chosen);
    fields.hidden = chosen !== 'changed' || choices.length < 2;
  };
  /**
   * @param {Kind} kind
   * @param {string} [field]
   */
  function choose(kind, field = '') {
    chosen = kind;
    fields.value = field;
    show();
    reload();
  }
  show();
  const title = preview.missing ? 'Rows of the file and missing products' : 'Rows of the file';
  const panel = pagedPanel({
    summary: [h('span', { text: title })],
    label: title,
    testid: 'rows',
    open: first.name !== 'unchanged' && first.name !== 'skipped',
    tableClass: 'table-compare',
    heads: compareHeads(['Line', 'SKU']),
    tools: h('div', { class: 'panel-tools list-tools' }, tabs.element, search.element, fields, download.element),
    nothing: () => (chosen === 'missing' ? 'No product matches.' : 'No row matches.'),
    source: () => ({ path: importApiPath(job.task_id, 'rows'), query: query() }),
    /** @param {CheckedRows} answer */
    rows: ({ rows }) => rows.flatMap(productRows),
  });
  return { element: panel.element, choose };
}

/** @param {CheckedRow} row */
function productRows({ line, sku, kind, fields, before, after }) {
  return compareRows({
    leads: [
      h('td', { class: 'compare-line', data: { label: 'Line' }, text: line === null ? '–' : formatNumber(line) }),
      h('td', { class: 'compare-sku' }, h('span', { class: 'sku', text: sku, title: sku })),
    ],
    fields: shownFields(kind, fields, before, after),
    before,
    after,
  });
}

/**
 * Return the fields to show. A missing product is shown with its name, so that people recognise it.
 * @param {Kind} kind
 * @param {string[]} fields that would change
 * @param {CheckedRow['before']} before
 * @param {CheckedRow['after']} after
 */
function shownFields(kind, fields, before, after) {
  if (kind === 'changed') return fields;
  if (kind !== 'missing') return differingFields(before, after ?? {});
  return Object.keys(before ?? {}).filter((field) => before?.[field] !== '' && (field !== 'description' || !after));
}
