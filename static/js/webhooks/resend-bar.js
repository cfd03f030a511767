// The bar of the selected deliveries, which sends them again.

import { messageOf, nextStep, sendJson } from '../core/api.js';
import { clearBanner, showBanner } from '../core/banner.js';
import { askToConfirm } from '../core/confirm.js';
import { h, setText } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { createSelectionBar } from '../core/selection-bar.js';
import { toast } from '../core/toast.js';
import { addressOf } from './actions.js';

/** @import { Deliveries, ResentCount } from '../core/types.d.ts' */
/** @import { DeliveryFilters } from './delivery-filters.js' */

/** More deliveries are sent again only after a question. */
const UNASKED_COUNT = 20;
// The server lets 5,000 deliveries start over at a time, and answers when it has done so with all of them.
const TIMEOUT_MS = 600_000;
const BANNER_KEY = 'deliveries-resend';

/**
 * @typedef {object} ResendBarOptions
 * @property {number} webhookId
 * @property {() => void} onEverything
 * @property {() => void} onClear
 * @property {() => {ids: number[]} | {filter: DeliveryFilters}} selected what to send again
 * @property {() => void} onSent
 */

/**
 * Create the bar. It is hidden while nothing is selected.
 * @param {ResendBarOptions} options
 */
export function resendBar({ webhookId, onEverything, onClear, selected, onSent }) {
  let count = 0;
  let isAbout = false;
  let needsQuestion = false;
  let busy = false;
  const what = h('span', { class: 'tabular' });
  const button = h(
    'button',
    { class: 'button button-small', type: 'button', data: { testid: 'resend-selected' }, on: { click: resend } },
    icon('send'),
    what,
  );
  const bar = createSelectionBar({ label: t('webhooks.resend.selected'), onEverything, onClear, buttons: [button] });

  async function resend() {
    if (busy) return;
    const body = selected();
    /** @returns {Promise<ResentCount>} */
    const send = () => sendJson('POST', `${addressOf(webhookId)}/deliveries/resend`, { body, timeoutMs: TIMEOUT_MS });
    busy = true;
    button.setAttribute('aria-disabled', 'true');
    try {
      const sent = needsQuestion ? await askToConfirm(question(count, isAbout, send)) : await send();
      if (!sent) return;
      clearBanner(BANNER_KEY);
      toast(sent.count ? t('webhooks.resend.sending', { count: sent.count }) : t('webhooks.resend.nothing'));
      onSent();
    } catch (error) {
      showBanner({ key: BANNER_KEY, title: messageOf(error), detail: nextStep(error) });
    } finally {
      busy = false;
      button.removeAttribute('aria-disabled');
    }
  }

  /**
   * @param {object} state
   * @param {number} state.count of selected deliveries
   * @param {boolean} state.isEverything whether all that match the filter are selected
   * @param {boolean} state.isPage whether exactly those of this page are selected
   * @param {Deliveries['pagination'] | null} state.pagination
   */
  function show({ count: number, isEverything, isPage, pagination }) {
    const isEstimate = Boolean(pagination?.total_is_estimate);
    const total = pagination?.total ?? 0;
    count = number;
    isAbout = isEverything && isEstimate;
    needsQuestion = number > UNASKED_COUNT;
    setText(what, t('webhooks.resend.button', { isEstimate: isAbout, count }));
    bar.show({
      count: number,
      text: isEverything
        ? t('webhooks.resend.all_selected', { isEstimate, count })
        : t('webhooks.resend.count_selected', { count }),
      everything:
        !isEverything && isPage && total > number ? t('webhooks.resend.select_all', { isEstimate, count: total }) : '',
    });
  }
  return { element: bar.element, show };
}

/**
 * @param {number} count
 * @param {boolean} isEstimate
 * @param {() => Promise<ResentCount>} run
 */
const question = (count, isEstimate, run) => ({
  title: t('webhooks.resend.question', { isEstimate, count }),
  text: t('webhooks.resend.text'),
  ok: t('webhooks.delivery.send_again'),
  isDangerous: false,
  run,
});
