// The deliveries of one webhook: filters, table, pages, and the selection to send again.

import { hasStatus, messageOf } from '../core/api.js';
import { fill, h } from '../core/dom.js';
import { formatTime } from '../core/format.js';
import { t } from '../core/i18n.js';
import { createPager } from '../core/pager.js';
import { setQuery } from '../core/router.js';
import { createSelection } from '../core/selection.js';
import { emptyState, hideSkeleton, refreshTimes } from '../core/widgets.js';
import { clearDeliveryFilters, createDeliveryFilters, readDeliveryFilters } from './delivery-filters.js';
import { deliveryList } from './delivery-list.js';
import { resendBar } from './resend-bar.js';

/** @import { Deliveries, Delivery } from '../core/types.d.ts' */
/** @import { DeliveryFilters } from './delivery-filters.js' */

/**
 * Create the part of the screen with the deliveries.
 * @param {number} webhookId
 * @param {{onTest: () => void, onSent: () => void}} options `onSent` is called when deliveries are sent again
 */
export function deliveryPart(webhookId, { onTest, onSent }) {
  /** @type {ReturnType<typeof createSelection<Delivery>>} */
  const selection = createSelection(() => showSelection());
  /** @type {Deliveries['pagination'] | null} */
  let pagination = null;
  /** When everything was selected: events that happen later do not belong to it. */
  let selectedUntil = '';
  const list = deliveryList(webhookId, {
    onSelect: (delivery, options) => selection.toggle(delivery, list.deliveries(), options),
    onSelectPage: (selected) => selection.togglePage(list.deliveries(), selected),
    isSelected: selection.has,
  });
  const bar = resendBar({
    webhookId,
    onEverything: () => {
      selectedUntil = new Date().toISOString();
      if (pagination) selection.selectEverything(pagination.total);
    },
    onClear: selection.clear,
    selected: () =>
      selection.isEverything() ? { filter: { until: selectedUntil, ...filters } } : { ids: selection.ids() },
    onSent: () => {
      selection.clear();
      onSent();
    },
  });
  const filterBar = createDeliveryFilters();
  const pager = createPager({
    label: t('webhooks.deliveries.title'),
    onPage: (page) => setQuery({ page: page > 1 ? page : undefined }),
  });
  const older = h('p', { class: 'search-older', hidden: true, data: { testid: 'search-older' } });
  const body = h(
    'div',
    { class: 'card table-card', data: { testid: 'deliveries' } },
    h(
      'div',
      { class: 'table-loading', 'aria-busy': 'true' },
      h('p', { class: 'visually-hidden', text: t('webhooks.deliveries.loading') }),
      Array.from({ length: 4 }, () => h('div', { class: 'skeleton' })),
    ),
  );
  const element = h(
    'section',
    { class: 'deliveries', 'aria-labelledby': 'deliveries-title' },
    h(
      'div',
      { class: 'deliveries-head' },
      h('h2', { id: 'deliveries-title', text: t('webhooks.deliveries.title') }),
      filterBar.tabs,
    ),
    filterBar.bar,
    body,
    older,
  );
  /** @type {DeliveryFilters} */
  let filters = {};
  let page = 1;
  // Which filter and page the list shows, once it shows any.
  let shown = '';

  function showSelection() {
    const deliveries = list.deliveries();
    list.showSelection();
    bar.show({
      count: selection.count(),
      isEverything: selection.isEverything(),
      isPage: selection.count() === deliveries.length && deliveries.every(({ id }) => selection.has(id)),
      pagination,
    });
  }
  /** @param {URLSearchParams} query */
  const readQuery = (query) => {
    const before = JSON.stringify(filters);
    filters = readDeliveryFilters(query);
    page = Math.max(1, Math.floor(Number(query.get('page'))) || 1);
    filterBar.show(filters);
    // A selection that nobody sees any more must not be sent again.
    if (JSON.stringify(filters) !== before) selection.clear();
  };
  /** @param {Deliveries} answer */
  const show = (answer) => {
    body.hidden = false;
    pagination = answer.pagination;
    showSearchEnd(pagination.searched_since);
    if (!pagination.total) {
      selection.clear();
      fill(body, nothing());
      return;
    }
    // On the first page, rows must not move while someone reads an open one or selects rows: new deliveries appear
    // once it is closed and nothing is selected.
    const wanted = `${JSON.stringify(filters)} ${page}`;
    const isUpdate = list.element.isConnected && wanted === shown;
    if (isUpdate && page === 1 && (list.isOpen() || selection.count())) list.update(answer.deliveries);
    else list.show(answer.deliveries);
    shown = wanted;
    showSelection();
    pager.show(pagination);
    pager.element.hidden = pagination.pages <= 1 && page === 1;
    if (!list.element.isConnected) fill(body, list.element, bar.element, pager.element);
    refreshTimes(list.element);
  };
  const nothing = () => {
    if (!Object.keys(filters).length) {
      return emptyState({
        shape: 'send',
        title: t('webhooks.deliveries.none'),
        detail: t('webhooks.deliveries.none_hint'),
        action: actionButton(t('webhooks.test.send'), 'empty-test', onTest),
      });
    }
    return emptyState({
      shape: 'search',
      title: t('webhooks.deliveries.no_match'),
      detail: t('webhooks.deliveries.no_match_hint'),
      action: actionButton(t('common.clear_filters'), 'empty-clear', clearDeliveryFilters),
    });
  };
  /** @param {string | null} since */
  const showSearchEnd = (since) => {
    older.hidden = !since;
    if (!since) return;
    fill(
      older,
      t('webhooks.deliveries.searched_since', { time: formatTime(since) }),
      ' ',
      h('button', {
        class: 'link-button select-everything',
        type: 'button',
        text: t('webhooks.deliveries.search_older'),
        data: { testid: 'search-older-button' },
        on: { click: () => setQuery({ until: since, page: undefined }) },
      }),
    );
  };
  /**
   * Show why the deliveries of this address cannot be listed: the server refuses a filter.
   * @param {unknown} error
   * @returns {boolean} whether that is the reason
   */
  const showRefusal = (error) => {
    if (!hasStatus(error, 400)) return false;
    pagination = null;
    body.hidden = false;
    older.hidden = true;
    selection.clear();
    fill(
      body,
      emptyState({
        shape: 'alert',
        title: t('webhooks.deliveries.invalid_filter'),
        detail: messageOf(error),
        action: actionButton(t('common.clear_filters'), 'empty-clear', clearDeliveryFilters),
      }),
    );
    return true;
  };
  return {
    element,
    readQuery,
    show,
    showRefusal,
    showFailure: () => hideSkeleton(body),
    setPaused: list.setPaused,
    wanted: () => ({ ...filters, page }),
    stop: filterBar.stop,
  };
}

/**
 * @param {string} text
 * @param {string} testid
 * @param {() => void} run
 */
const actionButton = (text, testid, run) =>
  h('button', { class: 'button', type: 'button', text, data: { testid }, on: { click: run } });
