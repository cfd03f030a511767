// The list of webhooks: #/webhooks. Rows are kept by id, so live changes neither redraw the table nor move the focus.

import { NetworkError, getJson, messageOf, nextStep } from '../core/api.js';
import { clearBanner, showBanner } from '../core/banner.js';
import { followChanges } from '../core/change-stream.js';
import { reconnected } from '../core/connection.js';
import { offer } from '../core/commands.js';
import { arrange, closestTo, fill, h, setText } from '../core/dom.js';
import { formatNumber } from '../core/format.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { menuButton, menuItem } from '../core/menu.js';
import { go } from '../core/router.js';
import { toast } from '../core/toast.js';
import { emptyState, hideSkeleton } from '../core/widgets.js';
import { deleteWebhook, enabledSwitch } from './actions.js';
import { openWebhook } from './dialog.js';
import { describeEvents, describeHealth, healthChart, healthNumbers } from './health.js';
import { openTest } from './test-dialog.js';
import { isFailing, troubleLine, troublePill } from './trouble.js';

/** @import { Screen } from '../core/router.js' */
/** @import { Webhook } from '../core/types.d.ts' */

const BANNER_KEY = 'webhooks-list';

/** @type {Screen} */
export const webhooksScreen = {
  mount(root) {
    document.title = t('common.page_title', { name: t('page.webhooks') });
    const body = h('tbody');
    /** @type {Map<number, ReturnType<typeof webhookRow>>} */
    const rows = new Map();
    const count = h('span', { class: 'muted tabular', data: { testid: 'webhooks-count' } });
    /** @param {string} testid */
    const addButton = (testid) =>
      offer(
        h(
          'button',
          {
            class: 'button button-primary',
            type: 'button',
            data: { testid },
            on: { click: () => openWebhook({ onSaved: saved }) },
          },
          icon('plus'),
          t('webhooks.add'),
        ),
        {
          id: 'webhook-add',
          label: t('webhooks.add_command'),
          shape: 'plus',
          run: () => openWebhook({ onSaved: saved }),
        },
      );
    const table = h(
      'div',
      { class: 'table-scroll', tabindex: '0', role: 'region', 'aria-label': t('webhooks.table.label') },
      h(
        'table',
        { class: 'table table-webhooks', data: { testid: 'webhooks-table' } },
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            h('th', { scope: 'col', text: t('webhooks.table.receiver') }),
            h('th', { scope: 'col', class: 'wide', text: t('webhooks.form.events') }),
            h('th', { scope: 'col', class: 'medium', text: t('webhooks.table.last_day') }),
            h('th', { scope: 'col', text: t('webhooks.table.on') }),
            h('th', { scope: 'col' }, h('span', { class: 'visually-hidden', text: t('common.actions') })),
          ),
        ),
        body,
      ),
    );
    const card = h('div', { class: 'card table-card', data: { testid: 'webhooks' } }, loading());
    const headAction = addButton('new-webhook');
    root.append(
      h(
        'div',
        { class: 'screen' },
        h(
          'div',
          { class: 'screen-head webhooks-head' },
          h('h1', { text: t('page.webhooks') }),
          count,
          h('span', { class: 'spacer' }),
          headAction,
        ),
        card,
      ),
    );

    /** @type {AbortController | null} */
    let request = null;
    const load = async () => {
      request?.abort();
      request = new AbortController();
      const { signal } = request;
      try {
        show(await getJson('/api/webhooks', { signal }));
        card.hidden = false;
        clearBanner(BANNER_KEY);
      } catch (error) {
        if (signal.aborted || error instanceof NetworkError) return;
        hideSkeleton(card);
        showBanner({
          key: BANNER_KEY,
          title: t('webhooks.table.not_loaded', { reason: messageOf(error) }),
          detail: nextStep(error),
          action: { label: t('common.try_again'), run: load },
        });
      }
    };

    /**
     * @param {Webhook} webhook
     * @param {boolean} isNew
     */
    function saved(webhook, isNew) {
      // The screen of a new webhook offers to test it.
      if (isNew) return go(`#/webhooks/${webhook.id}?added=1`);
      toast(t('webhooks.saved'));
      return load();
    }

    /** @param {Webhook} webhook */
    function rowOf(webhook) {
      const row = rows.get(webhook.id) ?? webhookRow(webhook, { load, saved });
      rows.set(webhook.id, row);
      return row;
    }

    /** @param {Webhook[]} webhooks */
    function show(webhooks) {
      setText(count, webhooks.length ? formatNumber(webhooks.length) : '');
      headAction.hidden = !webhooks.length;
      if (!webhooks.length) {
        rows.clear();
        fill(
          card,
          emptyState({
            shape: 'hook',
            title: t('webhooks.table.none'),
            detail: t('webhooks.table.none_hint'),
            action: addButton('first-webhook'),
          }),
        );
        return;
      }
      const ids = new Set(webhooks.map((webhook) => webhook.id));
      for (const id of rows.keys()) if (!ids.has(id)) rows.delete(id);
      for (const webhook of webhooks) rowOf(webhook).show(webhook);
      const wanted = webhooks.map((webhook) => rowOf(webhook).element);
      arrange(body, wanted);
      if (!table.isConnected) fill(card, table);
    }

    load();
    const stops = [followChanges('webhooks', load), reconnected.subscribe(load)];
    return {
      update() {},
      unmount() {
        request?.abort();
        clearBanner(BANNER_KEY);
        stops.forEach((stop) => stop());
      },
    };
  },
};

/**
 * @param {Webhook} initial
 * @param {{load: () => void, saved: (webhook: Webhook, isNew: boolean) => void}} options
 */
function webhookRow(initial, { load, saved }) {
  let webhook = initial;
  const link = h('a', { class: 'file-link', dir: 'ltr', data: { testid: 'webhook-link' } });
  const description = h('span', { class: 'muted webhook-description', dir: 'auto' });
  const trouble = troublePill();
  const failure = troubleLine();
  const events = h('td', { class: 'wide webhook-events' });
  const numbers = healthNumbers();
  const chart = healthChart();
  const inALine = h('div', { class: 'narrow-only muted tabular', data: { testid: 'health-line' } });
  const toggle = enabledSwitch({ onChanged: show });
  const menu = menuButton({
    face: [icon('more', 'icon-bold')],
    label: t('common.actions'),
    look: 'button-quiet button-square',
    testid: 'webhook-menu',
    items: [
      menuItem({ run: () => openTest(webhook), testid: 'webhook-test' }, icon('send'), t('webhooks.test.send')),
      menuItem(
        { run: () => openWebhook({ id: webhook.id, onSaved: saved }), testid: 'webhook-edit' },
        icon('edit'),
        t('common.edit'),
      ),
      menuItem(
        { run: () => go(`#/webhooks/${webhook.id}`), testid: 'webhook-deliveries' },
        icon('clock'),
        t('webhooks.deliveries.title'),
      ),
      menuItem(
        { run: async () => (await deleteWebhook(webhook)) && load(), testid: 'webhook-delete', danger: true },
        icon('trash'),
        t('common.delete'),
      ),
    ],
  });
  const element = h(
    'tr',
    {
      class: 'row-link',
      data: { testid: 'webhook-row' },
      on: { click: (event) => closestTo(event, 'a, button, .menu') || go(`#/webhooks/${webhook.id}`) },
    },
    h(
      'td',
      { class: 'webhook-receiver' },
      link,
      h('div', { class: 'webhook-below' }, trouble.element, description),
      failure.element,
      inALine,
    ),
    events,
    h('td', { class: 'medium' }, h('div', { class: 'health' }, chart.element, numbers.element)),
    h('td', {}, toggle.element),
    h('td', { class: 'webhook-actions' }, menu),
  );

  /** @param {Webhook} latest */
  function show(latest) {
    webhook = latest;
    setText(link, latest.url);
    link.href = `#/webhooks/${latest.id}`;
    link.title = latest.url;
    setText(description, latest.description);
    description.hidden = !latest.description;
    trouble.show(latest);
    failure.show(latest);
    element.classList.toggle('is-failing', isFailing(latest));
    setText(events, describeEvents(latest.event_type));
    events.title = latest.event_type;
    numbers.show(latest.health);
    chart.show(latest.health);
    setText(inALine, describeHealth(latest.health));
    toggle.show(latest, t('webhooks.switch.label_of', { url: latest.url }));
    menu.querySelector('button')?.setAttribute('aria-label', t('webhooks.table.actions_for', { url: latest.url }));
  }
  return { element, show };
}

function loading() {
  return h(
    'div',
    { class: 'table-loading', 'aria-busy': 'true' },
    h('p', { class: 'visually-hidden', text: t('webhooks.table.loading') }),
    Array.from({ length: 3 }, () => h('div', { class: 'skeleton' })),
  );
}
