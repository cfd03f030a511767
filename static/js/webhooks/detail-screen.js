// One webhook and its deliveries: #/webhooks/<id>?status=failed&page=2&hours=168.

import { NetworkError, getJson, hasStatus, messageOf, nextStep } from '../core/api.js';
import { buildBanner, clearBanner, showBanner } from '../core/banner.js';
import { followChanges } from '../core/change-stream.js';
import { coalesce } from '../core/coalesce.js';
import { reconnected } from '../core/connection.js';
import { fill, h } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { go, setQuery } from '../core/router.js';
import { addressOf } from './actions.js';
import { deliveryPart } from './deliveries.js';
import { hoursChart, readPeriod } from './hours-chart.js';
import { webhookHead } from './webhook-head.js';

/** @import { Screen } from '../core/router.js' */

const PER_PAGE = 25;
const BANNER_KEY = 'webhook';

/** @type {Screen} */
export const webhookScreen = {
  mount(root, { params, query }) {
    document.title = t('common.page_title', { name: t('webhooks.one') });
    const id = Number(params.id);
    // The notification of the deletion may arrive before its response. Nothing is loaded then, because it is gone.
    let isDeleting = false;
    const head = webhookHead({
      onChanged: () => loadWebhook(),
      onDeleting: (wanted) => {
        isDeleting = wanted;
        if (!wanted) load();
      },
      onDeleted: () => go('#/webhooks'),
      onTested: () => setQuery({ added: undefined }, { replace: true }),
      onShown: ({ enabled }) => deliveries.setPaused(!enabled),
    });
    const chart = hoursChart(id);
    const offer = testOffer({ onTest: head.test });
    const deliveries = deliveryPart(id, { onTest: head.test, onSent: () => loadDeliveries() });
    const screen = h(
      'div',
      { class: 'screen webhook-screen' },
      offer.element,
      head.element,
      chart.element,
      deliveries.element,
    );
    root.append(screen);

    /** @type {AbortController | null} */
    let request = null;
    let period = readPeriod(query);
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
        if (deliveries.showRefusal(error)) return;
        deliveries.showFailure();
        showBanner({
          key: BANNER_KEY,
          title: t('webhooks.deliveries.not_loaded', { reason: messageOf(error) }),
          detail: nextStep(error),
          action: { label: t('common.try_again'), run: loadDeliveries },
        });
      }
    }
    const load = () => Promise.all([loadWebhook(), chart.load(period), loadDeliveries()]);
    // A search in bodies is slow. Its result stays as it is while events go on.
    const follow = coalesce(async () => {
      if (isDeleting) return;
      await Promise.all([loadWebhook(), chart.load(period), deliveries.wanted().text ? null : loadDeliveries()]);
    });
    deliveries.readQuery(query);
    offer.show(query);
    load();
    const stops = [followChanges('webhooks', follow), reconnected.subscribe(load), chart.stop, deliveries.stop];
    return {
      update(location) {
        const before = JSON.stringify(deliveries.wanted());
        deliveries.readQuery(location.query);
        offer.show(location.query);
        if (JSON.stringify(deliveries.wanted()) !== before) loadDeliveries();
        if (readPeriod(location.query) !== period) {
          period = readPeriod(location.query);
          chart.load(period);
        }
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
    h('div', { class: 'screen-head' }, h('h1', { text: t('webhooks.missing.title') })),
    buildBanner({
      title: message,
      detail: t('webhooks.missing.hint'),
      action: { label: t('webhooks.missing.all'), run: () => go('#/webhooks') },
    }),
  );
}

/**
 * Create the offer to test a webhook that was just added; the address says that it was.
 * @param {{onTest: () => void}} options
 */
function testOffer({ onTest }) {
  const element = h(
    'div',
    { class: 'banner test-offer', role: 'status', hidden: true, data: { testid: 'test-offer' } },
    icon('check', 'banner-icon'),
    h(
      'div',
      { class: 'banner-text' },
      h('p', { class: 'banner-title', text: t('webhooks.offer.title') }),
      h('p', { class: 'banner-detail', text: t('webhooks.offer.hint') }),
    ),
    h('button', {
      class: 'button button-small button-primary',
      type: 'button',
      text: t('webhooks.test.send'),
      data: { testid: 'offer-test' },
      on: { click: onTest },
    }),
    h(
      'button',
      {
        class: 'icon-button',
        type: 'button',
        'aria-label': t('core.banner.dismiss'),
        title: t('core.banner.dismiss'),
        on: { click: () => setQuery({ added: undefined }, { replace: true }) },
      },
      icon('cross'),
    ),
  );
  /** @param {URLSearchParams} query */
  const show = (query) => {
    element.hidden = !query.has('added');
  };
  return { element, show };
}
