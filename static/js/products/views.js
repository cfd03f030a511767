// The view that the product list shows: its address names it, and the list may differ from what was saved.

import { NetworkError, hasStatus, messageOf, nextStep } from '../core/api.js';
import { clearBanner, showBanner } from '../core/banner.js';
import { askToConfirm } from '../core/confirm.js';
import { reconnected } from '../core/connection.js';
import { t } from '../core/i18n.js';
import { go, redirect, setQuery } from '../core/router.js';
import { toast } from '../core/toast.js';
import { COLUMN_NAMES, readOwnLayout, storeOwnLayout, withColumn } from './layout.js';
import { openViewDialog } from './view-dialog.js';
import {
  changeView,
  createView,
  deleteView,
  findView,
  hasOwnViews,
  knownViews,
  loadViews,
  mayChange,
  viewsChanged,
} from './view-list.js';
import { COLUMN_LABELS, createColumnMenu, createViewMenu, isShown } from './view-menu.js';
import { hasSameList, isChanged, layoutOf, readViewId, stateOf, viewAddress, viewLink } from './view-query.js';

/** @import { Command } from '../core/commands.js' */
/** @import { ScreenLocation } from '../core/router.js' */
/** @import { SavedView } from '../core/types.d.ts' */
/** @import { ColumnName, Layout } from './layout.js' */

const BANNER_KEY = 'products-view';
const ALL = '#/products';
const CONFLICT_ADVICE = t('products.views.conflict_advice');

/**
 * Create what the screen needs for views.
 * @param {{showLayout: (layout: Layout) => void}} options `showLayout` shows columns and widths
 */
export function createViews({ showLayout }) {
  let query = new URLSearchParams();
  /** The view of the address; undefined before the first one. @type {number | null | undefined} */
  let id;
  let layout = readOwnLayout();
  /** The version of the view that the list began with. @type {SavedView | null} */
  let base = null;
  let isDeleting = false;
  let isStopped = false;

  const current = () => findView(id ?? null);
  const menu = createViewMenu({ current, actions, onOpen: refreshList });
  const columns = createColumnMenu({
    layout: () => layout,
    onColumn: (column, wanted) => changeLayout(withColumn(layout, column, wanted)),
  });

  /**
   * Follow the address. A link to a view is replaced by the address of its list.
   * @param {ScreenLocation} location
   * @returns {boolean} whether the list of this address is to be shown
   */
  function follow(location) {
    if (location.params.view !== undefined) {
      openLink(readViewId(location.params.view));
      return false;
    }
    query = location.query;
    const wanted = readViewId(query.get('view'));
    if (wanted !== id) {
      id = wanted;
      clearBanner(BANNER_KEY);
      applyLayout();
      showProblem();
      if (wanted !== null && !current()) refreshList();
    }
    show();
    return true;
  }

  /** @param {number | null} wanted */
  async function openLink(wanted) {
    const address = window.location.hash;
    try {
      await loadViews();
    } catch (error) {
      if (isStopped || window.location.hash !== address) return;
      redirect(ALL);
      const again = () => {
        clearBanner(BANNER_KEY);
        if (wanted !== null) go(viewLink(wanted));
      };
      showBanner({
        key: BANNER_KEY,
        title: t('products.views.not_loaded', { reason: messageOf(error) }),
        detail: nextStep(error),
        action: { label: t('products.try_again'), run: again },
      });
      return;
    }
    if (isStopped || window.location.hash !== address) return;
    const view = findView(wanted);
    redirect(view ? viewAddress(view) : ALL);
    // The view may be the one that is shown, with other columns.
    applyLayout();
    show();
    if (!view) showGone(t('products.views.all_shown'));
  }

  async function refreshList() {
    try {
      await loadViews();
    } catch (error) {
      // Without a connection, another banner says so.
      if (error instanceof NetworkError || isStopped) return;
      showBanner({
        key: BANNER_KEY,
        title: t('products.views.none_loaded', { reason: messageOf(error) }),
        detail: nextStep(error),
        action: { label: t('products.try_again'), run: refreshList },
      });
    }
  }

  function onViews() {
    if (id && !current() && !isDeleting) {
      setQuery({ view: undefined }, { replace: true });
      showGone(t('products.views.filters_stay'));
      return;
    }
    const view = current();
    // A version that somebody else has saved meanwhile does not change the list below the person's hands.
    if (!base) {
      applyLayout();
      showProblem();
    } else if (view && hasSameList(view, base)) base = view;
    menu.refresh();
    show();
  }

  /** @param {string} detail */
  function showGone(detail) {
    showBanner({
      key: BANNER_KEY,
      tone: 'warning',
      title: t('products.views.gone'),
      detail,
    });
  }

  function showProblem() {
    const view = current();
    if (!view?.problem || !isSaved(view)) return;
    showBanner({
      key: BANNER_KEY,
      tone: 'warning',
      title: t('products.views.invalid', { name: view.name }),
      detail: t('products.views.invalid_advice', { problem: view.problem }),
    });
  }

  /** @param {SavedView} view */
  const isSaved = (view) => !isChanged(view, query, layout);

  function applyLayout() {
    const view = current();
    base = view;
    layout = view ? layoutOf(view) : readOwnLayout();
    showLayout(layout);
  }

  /** @param {Layout} wanted */
  function changeLayout(wanted) {
    layout = wanted;
    showLayout(layout);
    keepLayout();
  }

  /** @param {Layout['widths']} widths that were changed in the table */
  function noteWidths(widths) {
    layout = { ...layout, widths };
    keepLayout();
  }

  function keepLayout() {
    if (id === null) storeOwnLayout(layout);
    show();
  }

  function show() {
    const view = current();
    menu.show(view && { name: view.name, isChanged: !isSaved(view) });
  }

  function saveAs() {
    openViewDialog({
      title: t('products.views.save_as'),
      ok: t('products.views.save'),
      run: (values) => createView({ ...values, ...stateOf(query, layout) }),
      onDone(view) {
        toast(t('products.views.save_done'));
        go(viewAddress(view));
      },
    });
  }

  /** @param {SavedView} view */
  async function saveChanges(view) {
    try {
      base = await changeView(base ?? view, stateOf(query, layout));
      clearBanner(BANNER_KEY);
      toast(t('products.views.save_done'));
      show();
    } catch (error) {
      // Who saves again knows that it replaces the change of somebody else.
      if (hasStatus(error, 412)) base = current();
      showBanner({
        key: BANNER_KEY,
        title: t('products.views.not_saved', { reason: messageOf(error) }),
        detail: hasStatus(error, 404) || hasStatus(error, 412) ? CONFLICT_ADVICE : nextStep(error),
      });
    }
  }

  /** @param {SavedView} view */
  function rename(view) {
    openViewDialog({
      title: hasOwnViews() ? t('products.views.rename_or_share') : t('products.views.rename'),
      ok: t('products.save'),
      view,
      run: (values) => changeView(view, values),
      onDone: () => toast(t('products.views.save_done')),
    });
  }

  /** @param {SavedView} view */
  async function remove(view) {
    isDeleting = true;
    const done = await askToConfirm({
      title: t('products.views.delete_title', { name: view.name }),
      text: t('products.views.delete_text', { isShared: view.shared }),
      ok: t('products.views.delete_ok'),
      run: async () => {
        await deleteView(view);
        return true;
      },
    });
    isDeleting = false;
    if (!done) return;
    toast(t('products.views.delete_done'));
    setQuery({ view: undefined }, { replace: true });
  }

  /** @param {SavedView} view */
  function discard(view) {
    applyLayout();
    go(viewAddress(view));
    show();
  }

  /** @returns {Command[]} */
  function actions() {
    const view = current();
    const ofView = view ? actionsOn(view) : [];
    return [
      ...ofView.filter(({ when }) => !when || when()),
      {
        id: 'view-save-as',
        label: t('products.views.save_as_command'),
        keywords: t('products.views.words'),
        shape: 'plus',
        run: saveAs,
      },
    ];
  }

  /**
   * @param {SavedView} view
   * @returns {Command[]}
   */
  function actionsOn(view) {
    const [changed, allowed] = [!isSaved(view), mayChange(view)];
    return [
      {
        id: 'view-save',
        label: t('products.views.save_changes', { name: view.name }),
        shape: 'check',
        when: () => changed && allowed,
        run: () => saveChanges(view),
      },
      {
        id: 'view-discard',
        label: t('products.views.discard'),
        shape: 'undo',
        when: () => changed,
        run: () => discard(view),
      },
      {
        id: 'view-rename',
        label: hasOwnViews() ? t('products.views.rename_or_share_command') : t('products.views.rename_command'),
        shape: 'edit',
        when: () => allowed,
        run: () => rename(view),
      },
      {
        id: 'view-delete',
        label: t('products.views.delete_command'),
        shape: 'trash',
        when: () => allowed,
        run: () => remove(view),
      },
    ];
  }

  /** @param {ColumnName} column @returns {Command} */
  const columnCommand = (column) => ({
    id: `column-${column}`,
    label: t('products.views.column_command', { isShown: isShown(layout, column), column: COLUMN_LABELS[column] }),
    shape: 'columns',
    run: () => changeLayout(withColumn(layout, column, !isShown(layout, column))),
  });

  /** @returns {Command[]} */
  const commands = () => [...actions(), ...COLUMN_NAMES.filter((column) => column !== 'sku').map(columnCommand)];

  const stops = [viewsChanged.subscribe(onViews), reconnected.subscribe(refreshList)];
  if (!knownViews()) refreshList();
  function stop() {
    isStopped = true;
    stops.forEach((end) => end());
    clearBanner(BANNER_KEY);
  }
  return { elements: [columns, menu.element], follow, noteWidths, commands, stop };
}
