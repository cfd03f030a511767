// What an import that awaits its confirmation would do with each row of its file, in a panel with pages.

import { h } from '../core/dom.js';
import { formatNumber } from '../core/format.js';
import { t } from '../core/i18n.js';
import { pagedPanel } from '../core/paged-panel.js';
import { createPanelSearch } from '../core/panel-search.js';
import { queryString } from '../core/query-string.js';
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
    { name: 'changed', label: t('imports.check.kind.changed'), count: update },
    { name: 'created', label: t('imports.check.kind.created'), count: create },
    { name: 'unchanged', label: t('imports.check.kind.unchanged'), count: unchanged - skipped },
    { name: 'skipped', label: t('imports.check.kind.skipped'), count: skipped },
    {
      name: 'missing',
      label: action === 'delete' ? t('imports.check.kind.deleted') : t('imports.check.kind.deactivated'),
      count: missing,
    },
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
  const choices = [['', t('imports.check.any_change')]];
  for (const [field, { changed, cleared }] of Object.entries(fields)) {
    const label = FIELD_LABELS[field] ?? field;
    if (changed) choices.push([field, t('imports.check.field_changes', { field: label, count: changed })]);
    if (cleared) choices.push([`${field}:cleared`, t('imports.check.field_cleared', { field: label, count: cleared })]);
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
    label: t('imports.check.what_it_does'),
    testid: 'rows',
    tabs: lists,
    onChoose: (kind) => choose(kind),
  });
  const search = createPanelSearch({ label: t('imports.check.search_rows'), testid: 'rows-search', onSearch: reload });
  const choices = fieldChoices(preview.fields);
  const fields = createSelect({
    label: t('imports.check.which_change'),
    testid: 'rows-field',
    choices,
    onChange: reload,
  });
  const query = () => {
    const [field, effect] = chosen === 'changed' ? fields.value.split(':') : [];
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
  const title = preview.missing ? t('imports.check.rows_and_missing_title') : t('imports.check.rows_title');
  const panel = pagedPanel({
    summary: [h('span', { text: title })],
    label: title,
    testid: 'rows',
    open: first.name !== 'unchanged' && first.name !== 'skipped',
    tableClass: 'table-compare',
    heads: compareHeads([t('imports.check.line'), 'SKU']),
    tools: h('div', { class: 'panel-tools list-tools' }, tabs.element, search.element, fields, download.element),
    nothing: () => (chosen === 'missing' ? t('imports.check.no_product') : t('imports.check.no_row')),
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
      h('td', {
        class: 'compare-line',
        data: { label: t('imports.check.line') },
        text: line === null ? '–' : formatNumber(line),
      }),
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
