// What the command menu and the shortcuts offer for products on every screen, and the search for products in the menu.

import { getJson } from '../core/api.js';
import { addCommandSearch } from '../core/command-menu.js';
import { oneLine } from '../core/format.js';
import { fuzzyMatch } from '../core/fuzzy.js';
import { t } from '../core/i18n.js';
import { go } from '../core/router.js';
import { may } from '../core/session.js';
import { lastDeletionAt } from './undoable-deletes.js';
import { hasUndone, lastEditAt } from './undoable-edits.js';
import { knownViews, loadViews } from './view-list.js';
import { viewLink } from './view-query.js';

/** @import { Command } from '../core/commands.js' */
/** @import { Product, Products, SavedView } from '../core/types.d.ts' */

const FOUND = 6;
const LABEL_CHARACTERS = 60;

/** @typedef {{create: () => void, focusSearch: () => void, undo: (wanted: 'undo' | 'redo') => unknown}} ProductsView */

/**
 * Return the commands of every screen. They go to the list of products where they need it.
 * @param {(run: (screen: ProductsView) => unknown) => unknown} onScreen
 * @returns {Command[]}
 */
export function productCommands(onScreen) {
  return [
    ...(may('products:write') ? editCommands(onScreen) : []),
    {
      id: 'products-search',
      label: t('products.command.search'),
      shape: 'search',
      shortcuts: ['/'],
      group: t('products.title'),
      run: () => onScreen((screen) => screen.focusSearch()),
    },
    ...(knownViews() ?? []).map(viewCommand),
  ];
}

const isListShown = () => document.querySelector('main[data-screen="products"]') !== null;

/**
 * @param {(run: (screen: ProductsView) => unknown) => unknown} onScreen
 * @returns {Command[]}
 */
const editCommands = (onScreen) => [
  {
    id: 'products-new',
    label: t('products.new'),
    keywords: t('products.command.words.new'),
    shape: 'plus',
    shortcuts: ['n'],
    group: t('products.title'),
    run: () => onScreen((screen) => screen.create()),
  },
  {
    id: 'products-undo',
    label: t('products.command.undo'),
    help: t('products.command.undo_help'),
    shape: 'undo',
    shortcuts: ['mod+z'],
    when: isListShown,
    isHidden: !lastEditAt() && !lastDeletionAt(),
    run: () => onScreen((screen) => screen.undo('undo')),
  },
  {
    id: 'products-redo',
    label: t('products.command.redo'),
    help: t('products.command.redo_help'),
    shape: 'refresh',
    shortcuts: ['mod+shift+z', 'mod+y'],
    when: isListShown,
    isHidden: !hasUndone(),
    run: () => onScreen((screen) => screen.undo('redo')),
  },
];

/** @param {SavedView} view @returns {Command} */
const viewCommand = ({ id, name }) => ({
  id: `view-${id}`,
  label: name,
  keywords: t('products.command.words.view'),
  shape: 'eye',
  group: t('products.views.title'),
  run: () => go(viewLink(id)),
});

/** Let the command menu find products, and views that were not loaded yet. */
export function installProductSearch() {
  addCommandSearch({
    title: t('products.views.title'),
    when: () => may('products:read') && !knownViews(),
    search: async (text) => (await loadViews()).filter(({ name }) => fuzzyMatch(text, name)).map(viewCommand),
  });
  addCommandSearch({ title: t('products.title'), when: () => may('products:read'), search: findProducts });
}

/**
 * @param {string} text
 * @param {AbortSignal} signal
 * @returns {Promise<Command[]>}
 */
async function findProducts(text, signal) {
  /** @type {Products} */
  const { products } = await getJson('/api/products', { query: { q: text, per_page: FOUND }, signal });
  return products.map((product) => ({
    id: `product-${product.id}`,
    label: [oneLine(product.sku, LABEL_CHARACTERS), oneLine(product.name, LABEL_CHARACTERS)]
      .filter(Boolean)
      .join(' · '),
    shape: 'box',
    run: () => go(`#/products/${product.id}`),
  }));
}
