// The rows whose SKU appears again further down in the file, with the values that count, in a panel with pages.

import { h } from '../core/dom.js';
import { formatNumber } from '../core/format.js';
import { t } from '../core/i18n.js';
import { pagedPanel } from '../core/paged-panel.js';
import { createPanelSearch } from '../core/panel-search.js';
import { queryString } from '../core/query-string.js';
import { compareHeads, compareRows, differingFields } from './compare-rows.js';
import { createDownloadLink, createSelect } from './list-tools.js';
import { importApiPath } from './job-actions.js';
import { listText } from './server-texts.js';

/** @import { DuplicateRow, DuplicateRows, ImportJob } from '../core/types.d.ts' */

/** @type {[dropped: string, kept: string]} */
const SIDES = [t('imports.check.dropped'), t('imports.check.kept')];
/** @type {[value: string, label: string][]} */
const CHOICES = [
  ['', t('imports.check.duplicates_all')],
  ['true', t('imports.check.duplicates_other')],
  ['false', t('imports.check.duplicates_same')],
];

/**
 * Create the panel.
 * @param {ImportJob} job
 * @param {number} count of duplicates
 * @returns {HTMLElement}
 */
export function createDuplicatesPanel(job, count) {
  const reload = () => {
    search.markApplied();
    download.update();
    panel.load(1);
  };
  const search = createPanelSearch({
    label: t('imports.check.duplicates_search'),
    testid: 'duplicates-search',
    onSearch: reload,
  });
  const differs = createSelect({
    label: t('imports.check.duplicates_which'),
    testid: 'duplicates-differ',
    choices: CHOICES,
    onChange: reload,
  });
  const query = () => ({ q: search.value(), differs: differs.value });
  const download = createDownloadLink(
    'duplicates-download',
    () => importApiPath(job.task_id, 'duplicates.csv') + queryString({ ...query(), bom: true }),
  );
  const heads = compareHeads([t('imports.check.line'), t('imports.check.kept_line'), 'SKU'], SIDES);
  const panel = pagedPanel({
    summary: [
      h('span', { text: t('imports.check.duplicates_count', { count }) }),
      h('span', { class: 'muted panel-hint', text: t('imports.check.duplicates_hint') }),
    ],
    label: t('imports.check.duplicates_label'),
    testid: 'duplicates',
    tableClass: 'table-compare',
    heads,
    tools: h('div', { class: 'panel-tools list-tools' }, search.element, differs, download.element),
    nothing: t('imports.check.duplicates_none'),
    source: () => ({ path: importApiPath(job.task_id, 'duplicates'), query: query() }),
    /** @param {DuplicateRows} answer */
    rows: (answer) => {
      const message = listText(answer);
      return [
        ...answer.duplicates.flatMap(duplicateRows),
        ...(message ? [h('tr', {}, h('td', { class: 'muted', colspan: heads.length, message }))] : []),
      ];
    },
  });
  return panel.element;
}

/** @param {DuplicateRow} row */
function duplicateRows({ line, kept_line: keptLine, sku, dropped, kept }) {
  return compareRows({
    leads: [
      h('td', { class: 'compare-line', data: { label: t('imports.check.line') }, text: formatNumber(line) }),
      h('td', { class: 'compare-line', data: { label: t('imports.check.kept_line') }, text: formatNumber(keptLine) }),
      h('td', { class: 'compare-sku' }, h('span', { class: 'sku', text: sku, title: sku })),
    ],
    fields: differingFields(dropped, kept),
    before: dropped,
    after: kept,
    sides: SIDES,
  });
}
