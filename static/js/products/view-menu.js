// The menu of the saved views and the menu of the columns, beside the filters of the product list.

import { h, setText } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { menuButton, menuChoice, menuItem } from '../core/menu.js';
import { go } from '../core/router.js';
import { COLUMN_NAMES } from './layout.js';
import { hasOwnViews, knownViews } from './view-list.js';
import { viewLink } from './view-query.js';

/** @import { Child } from '../core/dom.js' */
/** @import { Command } from '../core/commands.js' */
/** @import { SavedView } from '../core/types.d.ts' */
/** @import { ColumnName, Layout } from './layout.js' */

/** @type {Record<ColumnName, string>} */
export const COLUMN_LABELS = {
  sku: t('products.field.sku'),
  name: t('products.field.name'),
  description: t('products.field.description'),
  active: t('products.field.active'),
  updated_at: t('products.field.updated'),
};

/**
 * Create the menu of the views. Its button names the view that is shown.
 * @param {object} options
 * @param {() => SavedView | null} options.current
 * @param {() => Command[]} options.actions what can be done with the list and the view
 * @param {() => void} options.onOpen
 */
export function createViewMenu({ current, actions, onOpen }) {
  const name = h('span', { class: 'view-name', dir: 'auto', data: { testid: 'view-current' } });
  const changed = h('span', {
    class: 'view-changed',
    text: t('products.views.changed'),
    hidden: true,
    data: { testid: 'view-changed' },
  });
  const element = menuButton({
    face: [icon('eye'), name, changed, icon('chevron')],
    label: t('products.views.title'),
    look: 'view-button',
    testid: 'views',
    items,
    onOpen,
  });
  const button = element.querySelector('button');
  const menu = element.querySelector('.menu');

  function items() {
    const views = knownViews() ?? [];
    return [
      choice(t('products.views.all'), current() === null, '#/products'),
      group(
        hasOwnViews() ? t('products.views.shared') : t('products.views.saved'),
        views.filter(({ shared }) => shared),
      ),
      group(
        t('products.views.own'),
        views.filter(({ shared }) => !shared),
      ),
      h('hr', { class: 'menu-line' }),
      actions().map(({ id, label, shape = 'next', run }) =>
        menuItem({ run, testid: id, danger: id === 'view-delete' }, icon(shape), h('bdi', { text: label })),
      ),
    ];
  }

  /**
   * @param {string} title
   * @param {SavedView[]} views
   * @returns {Child}
   */
  const group = (title, views) =>
    views.length > 0 &&
    h(
      'div',
      { role: 'group', 'aria-label': title },
      h('span', { class: 'menu-title', role: 'presentation', text: title }),
      views.map((view) => choice(view.name, view.id === current()?.id, viewLink(view.id), view.problem)),
    );

  /**
   * @param {{name: string, isChanged: boolean} | null} view
   */
  function show(view) {
    setText(name, view?.name ?? t('products.views.title'));
    changed.hidden = !view?.isChanged;
    const label = view ? t('products.views.label', view) : t('products.views.title');
    button?.setAttribute('aria-label', label);
    if (button) button.title = label;
  }

  /** Show views that have arrived while the menu is open. */
  function refresh() {
    if (!menu?.matches(':popover-open')) return;
    const focused = document.activeElement instanceof HTMLElement ? keyOf(document.activeElement) : '';
    menu.replaceChildren();
    for (const item of [items()].flat(3)) if (item instanceof Node) menu.append(item);
    /** @type {NodeListOf<HTMLElement>} */
    const choices = menu.querySelectorAll('[role^="menuitem"]');
    ([...choices].find((item) => keyOf(item) === focused) ?? choices[0])?.focus();
  }
  show(null);
  return { element, show, refresh };
}

/**
 * Return what an item of the menu is: a view by its address, an action by its id.
 * @param {HTMLElement} item
 */
const keyOf = ({ dataset }) => dataset.key ?? dataset.testid;

/**
 * @param {string} label
 * @param {boolean} checked
 * @param {string} address
 * @param {string | null} [problem]
 */
function choice(label, checked, address, problem = null) {
  const item = menuChoice(
    { kind: 'radio', checked, run: () => go(address), testid: 'view' },
    h('span', { class: 'view-name', dir: 'auto', text: label }),
    problem ? icon('warning') : null,
  );
  item.dataset.key = address;
  if (problem) item.title = problem;
  return item;
}

/**
 * Create the menu of the columns. SKUs are always shown.
 * @param {object} options
 * @param {() => Layout} options.layout
 * @param {(column: ColumnName, isShown: boolean) => void} options.onColumn
 */
export function createColumnMenu({ layout, onColumn }) {
  return menuButton({
    face: [icon('columns'), h('span', { class: 'label', text: t('products.views.columns') })],
    label: t('products.views.columns'),
    look: 'columns-button',
    testid: 'columns',
    items: () =>
      COLUMN_NAMES.filter((column) => column !== 'sku').map((column) =>
        menuChoice(
          {
            kind: 'checkbox',
            checked: isShown(layout(), column),
            run: (checked) => onColumn(column, checked),
            testid: `column-${column}`,
          },
          COLUMN_LABELS[column],
        ),
      ),
  });
}

/**
 * @param {Layout} layout
 * @param {ColumnName} column
 */
export const isShown = ({ columns }, column) => !columns || columns.includes(column);
