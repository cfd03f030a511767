// One webhook and its deliveries: #/webhooks/<id>?status=failed&page=2.

import { NetworkError, getJson, hasStatus, messageOf, nextStep } from '../core/api.js';
import { buildBanner, clearBanner, showBanner } from '../core/banner.js';
import { followChanges } from '../core/change-stream.js';
import { reconnected } from '../core/connection.js';
import { fill, h, setText } from '../core/dom.js';
import { formatTime } from '../core/format.js';
import { icon } from '../core/icons.js';
import { createPager } from '../core/pager.js';
import { go, setQuery } from '../core/router.js';
import { toast } from '../core/toast.js';
import { emptyState, refreshTimes } from '../core/widgets.js';
import { addressOf, deleteWebhook, enabledSwitch } from './actions.js';
import { deliveryList } from './delivery-list.js';
import { openWebhook } from './dialog.js';
import { healthChart, healthNumbers, troublePill } from './health.js';
import { openRecovery } from './recovery-dialog.js';
import { openTest } from './test-dialog.js';

/** @import { IconName } from '../core/icons.js' */
/** @import { Screen } from '../core/router.js' */
/** @import { Deliveries, Webhook } from '../core/types.d.ts' */

const PER_PAGE = 25;
const BANNER_KEY = 'webhook';
/** @type {[status: string, label: string][]} */
const FILTERS = [
  ['', 'All'],
  ['pending', 'Pending'],
  ['delivered', 'Delivered'],
  ['failed', 'Failed'],
];

/** @type {Screen} */
export const webhookScreen = {
  mount(root, { params, query }) {
    document.title = 'Webhook · Acme Product Importer';
    const id = Number(params.id);
    const head = webhookHead({ onChanged: () => loadWebhook(), onDeleted: () => go('#/webhooks') });
    const deliveries = deliveryPart(id);
    const screen = h('div', { class: 'screen' }, head.element, deliveries.element);
    root.append(screen);

    /** @type {AbortController | null} */
    let request = null;
    async function loadWebhook() {
      try {
        head.show(await getJson(addressOf(id)));
      } catch (error) {
        if (hasStatus(error, 404)) showMissing(screen, messageOf(error));
        else if (!(error instanceof NetworkError)) {
          showBanner({ key: BANNER_KEY, title: messageOf(error), detail: nextStep(error) });
        }
      }
    }
    async function loadDeliveries() {
      request?.abort();
      request = new AbortController();
      const { signal } = request;
      try {
        deliveries.show(
          await getJson(`${addressOf(id)}/deliveries`, {
            query: { ...deliveries.wanted(), per_page: PER_PAGE },
            signal,
          }),
        );
        clearBanner(BANNER_KEY);
      } catch (error) {
        if (signal.aborted || error instanceof NetworkError || hasStatus(error, 404)) return;
        showBanner({
          key: BANNER_KEY,
          title: `The deliveries could not be loaded. ${messageOf(error)}`,
          detail: nextStep(error),
          action: { label: 'Try again', run: loadDeliveries },
        });
      }
    }
    const load = () => Promise.all([loadWebhook(), loadDeliveries()]);
    deliveries.readQuery(query);
    load();
    const stops = [followChanges('webhooks', load), reconnected.subscribe(load)];
    return {
      update(location) {
        deliveries.readQuery(location.query);
        loadDeliveries();
      },
      unmount() {
        request?.abort();
        clearBanner(BANNER_KEY);
        stops.forEach((stop) => stop());
      },
    };
  },
};

/**
 * @param {HTMLElement} screen
 * @param {string} message
 */
function showMissing(screen, message) {
  fill(
    screen,
    buildBanner({
      title: message,
      detail: 'The address may be mistyped, or the webhook was deleted.',
      action: { label: 'All webhooks', run: () => go('#/webhooks') },
    }),
  );
}

/** @param {{onChanged: () => void, onDeleted: () => void}} options */
function webhookHead({ onChanged, onDeleted }) {
  /** @type {Webhook | null} */
  let webhook = null;
  /** @param {(webhook: Webhook) => unknown} run */
  const withWebhook = (run) => () => webhook && run(webhook);
  const title = h('h1', { class: 'file-title', text: 'Webhook', dir: 'ltr', data: { testid: 'webhook-title' } });
  const description = h('p', { class: 'muted', dir: 'auto' });
  const reason = h('div', { data: { testid: 'webhook-reason' } });
  const trouble = troublePill();
  const events = h('dd', { class: 'webhook-all-events' });
  const imports = h('dd', {});
  const secret = h('dd', {});
  const numbers = healthNumbers();
  const chart = healthChart();
  const toggle = enabledSwitch({ onChanged: show });
  /**
   * @param {IconName} shape
   * @param {string} text
   * @param {string} testid
   * @param {() => void} run
   * @param {string} [look]
   */
  const action = (shape, text, testid, run, look = '') =>
    h(
      'button',
      {
        class: `button button-small ${look}`.trim(),
        type: 'button',
        disabled: true,
        data: { testid },
        on: { click: run },
      },
      icon(shape),
      text,
    );
  // Disabled until the webhook has loaded.
  const actions = [
    action('send', 'Test', 'webhook-test', withWebhook(openTest)),
    action(
      'edit',
      'Edit',
      'webhook-edit',
      withWebhook(({ id }) =>
        openWebhook({
          id,
          onSaved: () => {
            toast('Webhook saved');
            onChanged();
          },
        }),
      ),
    ),
    action('refresh', 'Recover failed…', 'webhook-recover', withWebhook(openRecovery)),
    action(
      'trash',
      'Delete',
      'webhook-delete',
      withWebhook(async (current) => (await deleteWebhook(current)) && onDeleted()),
      'button-danger-quiet',
    ),
  ];
  const facts = h(
    'div',
    { class: 'card webhook-card', hidden: true },
    h(
      'dl',
      { class: 'facts' },
      h('div', {}, h('dt', { text: 'Events' }), events),
      h('div', {}, h('dt', { text: 'Products of imports' }), imports),
      h('div', {}, h('dt', { text: 'Signature' }), secret),
    ),
    h('div', { class: 'health health-large' }, chart.element, numbers.element),
  );
  const element = h(
    'div',
    { class: 'stack webhook-top' },
    h(
      'div',
      { class: 'screen-head' },
      h(
        'nav',
        { class: 'crumbs', 'aria-label': 'Breadcrumb' },
        h('a', { href: '#/webhooks', text: 'Webhooks' }),
        h('span', { 'aria-hidden': 'true', text: '/' }),
      ),
      title,
    ),
    h(
      'div',
      { class: 'webhook-line' },
      toggle.element,
      trouble.element,
      description,
      h('span', { class: 'spacer' }),
      actions,
    ),
    reason,
    facts,
  );

  /** @param {Webhook} latest */
  function show(latest) {
    webhook = latest;
    document.title = `${latest.url} · Acme Product Importer`;
    setText(title, latest.url);
    setText(description, latest.description);
    toggle.show(latest, 'Send events');
    trouble.show(latest);
    setText(events, latest.event_type === '*' ? 'All events' : latest.event_type.split(',').join(', '));
    setText(imports, latest.imports === 'each' ? 'One request per product' : 'Not sent one by one');
    setText(
      secret,
      latest.secret === null
        ? 'None'
        : latest.previous_secret_expires_at
          ? `Two secrets until ${formatTime(latest.previous_secret_expires_at)}`
          : 'With a secret',
    );
    numbers.show(latest.health);
    chart.show(latest.health);
    facts.hidden = false;
    for (const control of actions) control.disabled = false;
    const why = latest.enabled ? '' : (latest.disabled_reason ?? '');
    if (reason.dataset.shown === why) return;
    reason.dataset.shown = why;
    fill(
      reason,
      why
        ? buildBanner({
            tone: 'warning',
            title: `Switched off automatically: ${why}`,
            detail:
              'Events are not sent while it is off. Repair the receiver, test it, then switch the webhook on. ' +
              'Failed deliveries can be recovered.',
          })
        : null,
    );
  }
  return { element, show };
}

/** @param {number} id of the webhook */
function deliveryPart(id) {
  const list = deliveryList(id);
  const links = FILTERS.map(([status, label]) =>
    h('a', {
      class: 'filter-tab',
      href: '#',
      text: label,
      data: { testid: `filter-${status || 'all'}` },
      on: {
        click: (event) => {
          event.preventDefault();
          setQuery({ status, page: undefined });
        },
      },
    }),
  );
  const pager = createPager({ label: 'deliveries', onPage: (page) => setQuery({ page: page > 1 ? page : undefined }) });
  const body = h(
    'div',
    { class: 'card table-card', data: { testid: 'deliveries' } },
    h(
      'div',
      { class: 'table-loading', 'aria-busy': 'true' },
      h('p', { class: 'visually-hidden', text: 'Loading the deliveries…' }),
      Array.from({ length: 4 }, () => h('div', { class: 'skeleton' })),
    ),
  );
  const element = h(
    'section',
    { class: 'deliveries', 'aria-labelledby': 'deliveries-title' },
    h(
      'div',
      { class: 'deliveries-head' },
      h('h2', { id: 'deliveries-title', text: 'Deliveries' }),
      h('nav', { class: 'filter-tabs', 'aria-label': 'Status of the deliveries' }, links),
    ),
    body,
  );
  let status = '';
  let page = 1;
  // Which filter and page the list shows, once it shows any.
  let shown = '';

  /** @param {URLSearchParams} query */
  const readQuery = (query) => {
    const asked = query.get('status') ?? '';
    status = FILTERS.some(([name]) => name === asked) ? asked : '';
    page = Math.max(1, Math.floor(Number(query.get('page'))) || 1);
    links.forEach((link, index) => {
      if (FILTERS[index]?.[0] === status) link.setAttribute('aria-current', 'true');
      else link.removeAttribute('aria-current');
    });
  };
  /** @param {Deliveries} page */
  const show = ({ deliveries, pagination }) => {
    if (!pagination.total) {
      fill(
        body,
        status
          ? emptyState({ shape: 'check', title: `No delivery is ${status}` })
          : emptyState({
              shape: 'send',
              title: 'No deliveries yet',
              detail: 'Every event is listed here with its attempts. Send a test request to try the receiver.',
            }),
      );
      return;
    }
    // On the first page, rows must not move while someone reads an open one: new deliveries appear once it is closed.
    const wanted = `${status} ${page}`;
    const isUpdate = list.element.isConnected && wanted === shown;
    if (isUpdate && page === 1 && list.isOpen()) list.update(deliveries);
    else list.show(deliveries);
    shown = wanted;
    pager.show(pagination);
    pager.element.hidden = pagination.pages <= 1 && page === 1;
    if (!list.element.isConnected) fill(body, list.element, pager.element);
    refreshTimes(list.element);
  };
  return { element, readQuery, show, wanted: () => ({ status, page }) };
}
