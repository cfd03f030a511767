// What the command menu offers on the products screen.

import { t } from '../core/i18n.js';
import { setQuery } from '../core/router.js';
import { may } from '../core/session.js';
import { ACTIONS } from './action-bar.js';
import { EXPORT_FORMATS, exportMatching } from './export.js';
import { FROM_THE_START } from './query.js';

/** @import { Command } from '../core/commands.js' */
/** @import { BulkAction } from './action-bar.js' */
/** @import { ExportFormat } from './export.js' */
/** @import { Filters, SortColumn } from './query.js' */

/**
 * The list as it is shown.
 * @typedef {object} ShownList
 * @property {Filters} filters
 * @property {number} total of products that match; 0 while the list loads
 * @property {number} page
 * @property {number} pages
 * @property {number} selected number of products
 * @property {boolean} mayDelete whether the person may delete what is selected
 * @property {boolean} busy
 */

/**
 * @typedef {object} ListActions
 * @property {() => void} openFilters
 * @property {() => void} clearFilters
 * @property {(page: number) => void} turnTo
 * @property {() => void} showLatest
 * @property {() => void} selectPage
 * @property {() => void} selectEverything
 * @property {() => void} clearSelection
 * @property {(action: BulkAction) => void} act
 * @property {(format: ExportFormat) => void} exportSelected
 * @property {() => void} deleteAll
 */

/** @type {[column: SortColumn, label: string, order?: 'desc'][]} */
const SORTS = [
  ['sku', t('products.sort.sku')],
  ['name', t('products.sort.name')],
  ['active', t('products.sort.active')],
  ['updated_at', t('products.sort.updated_at'), 'desc'],
  ['created_at', t('products.sort.created_at'), 'desc'],
];

/**
 * Return the commands of the list.
 * @param {ShownList} shown
 * @param {ListActions} actions
 * @returns {Command[]}
 */
export function listCommands(shown, actions) {
  return [
    ...(shown.selected ? selectionCommands(shown, actions) : []),
    ...(shown.total ? selectCommands(shown, actions) : []),
    { id: 'products-filters', label: t('products.command.filter'), shape: 'filter', run: actions.openFilters },
    {
      id: 'products-clear-filters',
      label: t('products.clear_filters'),
      shape: 'cross',
      when: () => Object.keys(shown.filters).length > 0,
      run: actions.clearFilters,
    },
    ...EXPORT_FORMATS.map(([format, label]) => exportCommand(format, label, shown.filters)),
    {
      id: 'products-next',
      label: t('products.command.next'),
      when: () => shown.page < shown.pages,
      run: () => actions.turnTo(shown.page + 1),
    },
    {
      id: 'products-previous',
      label: t('products.command.previous'),
      shape: 'previous',
      when: () => shown.page > 1,
      run: () => actions.turnTo(shown.page - 1),
    },
    { id: 'products-latest', label: t('products.command.latest'), shape: 'clock', run: actions.showLatest },
    ...SORTS.map(sortCommand),
    ...(may('admin') ? [deleteAllCommand(actions)] : []),
  ];
}

/**
 * @param {ExportFormat} format
 * @param {string} label
 * @param {Filters} filters
 * @returns {Command}
 */
const exportCommand = (format, label, filters) => ({
  id: `products-export-${format}`,
  label: t('products.command.export', { isFiltered: Object.keys(filters).length > 0, format: label }),
  keywords: t('products.command.words.export'),
  shape: 'download',
  run: () => exportMatching(filters, format),
});

/**
 * @param {[column: SortColumn, label: string, order?: 'desc']} sort
 * @returns {Command}
 */
const sortCommand = ([column, label, order]) => ({
  id: `products-sort-${column}`,
  label,
  keywords: t('products.command.words.sort'),
  shape: order ? 'descending' : 'ascending',
  run: () => setQuery({ sort_by: column, sort_order: order, ...FROM_THE_START }),
});

/** @param {ListActions} actions @returns {Command} */
const deleteAllCommand = ({ deleteAll }) => ({
  id: 'products-delete-all',
  label: t('products.header.delete_all'),
  shape: 'trash',
  run: deleteAll,
});

/**
 * @param {ShownList} shown
 * @param {ListActions} actions
 * @returns {Command[]}
 */
const selectCommands = ({ total }, { selectPage, selectEverything }) => [
  { id: 'products-select-page', label: t('products.selection.all_on_page'), shape: 'check', run: selectPage },
  {
    id: 'products-select-everything',
    label: t('products.command.select_all', { count: total }),
    shape: 'check',
    run: selectEverything,
  },
];

/**
 * @param {ShownList} shown
 * @param {ListActions} actions
 * @returns {Command[]}
 */
function selectionCommands({ selected, mayDelete, busy }, { act, exportSelected, clearSelection }) {
  return [
    ...ACTIONS.map(([action]) => {
      /** @type {Command} */
      const command = {
        id: `products-selected-${action}`,
        label: t(`products.command.${action}`, { count: selected }),
        shape: action === 'delete' ? 'trash' : 'edit',
        when: () => may('products:write') && !busy && (action !== 'delete' || mayDelete),
        run: () => act(action),
      };
      return command;
    }),
    ...EXPORT_FORMATS.map(([format, label]) => {
      /** @type {Command} */
      const command = {
        id: `products-selected-export-${format}`,
        label: t('products.command.export_selected', { count: selected, format: label }),
        keywords: t('products.command.words.export'),
        shape: 'download',
        run: () => exportSelected(format),
      };
      return command;
    }),
    {
      id: 'products-selected-clear',
      label: t('products.command.clear_selection'),
      shape: 'cross',
      run: clearSelection,
    },
  ];
}
