// What the command menu offers on the products screen.

import { formatCount } from '../core/format.js';
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
  ['sku', 'SKU'],
  ['name', 'name'],
  ['active', 'status'],
  ['updated_at', 'last change', 'desc'],
  ['created_at', 'creation', 'desc'],
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
    ...(may('products:write') && shown.total ? selectCommands(shown, actions) : []),
    { id: 'products-filters', label: 'Filter the products', shape: 'filter', run: actions.openFilters },
    {
      id: 'products-clear-filters',
      label: 'Clear filters',
      shape: 'cross',
      when: () => Object.keys(shown.filters).length > 0,
      run: actions.clearFilters,
    },
    ...EXPORT_FORMATS.map(([format, label]) => exportCommand(format, label, shown.filters)),
    {
      id: 'products-next',
      label: 'Next page',
      when: () => shown.page < shown.pages,
      run: () => actions.turnTo(shown.page + 1),
    },
    {
      id: 'products-previous',
      label: 'Previous page',
      shape: 'previous',
      when: () => shown.page > 1,
      run: () => actions.turnTo(shown.page - 1),
    },
    { id: 'products-latest', label: 'Show the latest changes', shape: 'clock', run: actions.showLatest },
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
  label: `Export ${Object.keys(filters).length ? 'all that match' : 'all products'} as ${label}`,
  keywords: 'download file',
  shape: 'download',
  run: () => exportMatching(filters, format),
});

/**
 * @param {[column: SortColumn, label: string, order?: 'desc']} sort
 * @returns {Command}
 */
const sortCommand = ([column, label, order]) => ({
  id: `products-sort-${column}`,
  label: `Sort by ${label}`,
  keywords: 'order',
  shape: order ? 'descending' : 'ascending',
  run: () => setQuery({ sort_by: column, sort_order: order, ...FROM_THE_START }),
});

/** @param {ListActions} actions @returns {Command} */
const deleteAllCommand = ({ deleteAll }) => ({
  id: 'products-delete-all',
  label: 'Delete all products…',
  shape: 'trash',
  run: deleteAll,
});

/**
 * @param {ShownList} shown
 * @param {ListActions} actions
 * @returns {Command[]}
 */
const selectCommands = ({ total }, { selectPage, selectEverything }) => [
  { id: 'products-select-page', label: 'Select all on this page', shape: 'check', run: selectPage },
  {
    id: 'products-select-everything',
    label: `Select all ${formatCount(total, 'product')}`,
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
  const what = formatCount(selected, 'selected product');
  return [
    ...ACTIONS.map(([action, verb]) => {
      /** @type {Command} */
      const command = {
        id: `products-selected-${action}`,
        label: action === 'set' ? `Set a field of ${what}…` : `${verb} ${what}`,
        shape: action === 'delete' ? 'trash' : 'edit',
        when: () => !busy && (action !== 'delete' || mayDelete),
        run: () => act(action),
      };
      return command;
    }),
    ...EXPORT_FORMATS.map(([format, label]) => {
      /** @type {Command} */
      const command = {
        id: `products-selected-export-${format}`,
        label: `Export ${what} as ${label}`,
        keywords: 'download file',
        shape: 'download',
        run: () => exportSelected(format),
      };
      return command;
    }),
    { id: 'products-selected-clear', label: 'Clear the selection', shape: 'cross', run: clearSelection },
  ];
}
