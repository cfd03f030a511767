// The bar of the selected deliveries, which sends them again.

import { messageOf, nextStep, sendJson } from '../core/api.js';
import { clearBanner, showBanner } from '../core/banner.js';
import { askToConfirm } from '../core/confirm.js';
import { h, setText } from '../core/dom.js';
import { formatCount, formatNumber } from '../core/format.js';
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
  let count = '';
  let needsQuestion = false;
  let busy = false;
  const what = h('span', { class: 'tabular' });
  const button = h(
    'button',
    { class: 'button button-small', type: 'button', data: { testid: 'resend-selected' }, on: { click: resend } },
    icon('send'),
    what,
  );
  const bar = createSelectionBar({ label: 'Selected deliveries', onEverything, onClear, buttons: [button] });

  async function resend() {
    if (busy) return;
    const body = selected();
    /** @returns {Promise<ResentCount>} */
    const send = () => sendJson('POST', `${addressOf(webhookId)}/deliveries/resend`, { body, timeoutMs: TIMEOUT_MS });
    busy = true;
    button.setAttribute('aria-disabled', 'true');
    try {
      const sent = needsQuestion ? await askToConfirm(question(count, send)) : await send();
      if (!sent) return;
      clearBanner(BANNER_KEY);
      toast(sent.count ? `Sending ${formatCount(sent.count, 'delivery', 'deliveries')} again` : 'Nothing was found');
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
    const about = pagination?.total_is_estimate ? 'about ' : '';
    const total = pagination?.total ?? 0;
    count = `${isEverything ? about : ''}${formatCount(number, 'delivery', 'deliveries')}`;
    needsQuestion = number > UNASKED_COUNT;
    setText(what, `Send ${count} again`);
    bar.show({
      count: number,
      text: isEverything
        ? `All ${about}${formatNumber(number)} that match are selected`
        : `${formatNumber(number)} selected`,
      everything:
        !isEverything && isPage && total > number ? `Select all ${about}${formatNumber(total)} that match` : '',
    });
  }
  return { element: bar.element, show };
}

/**
 * @param {string} count
 * @param {() => Promise<ResentCount>} run
 */
const question = (count, run) => ({
  title: `Send ${count} again?`,
  text:
    'The receiver gets every one of these requests again, with the same webhook-id, even those that it has accepted ' +
    'before. A receiver that compares ids ignores them.',
  ok: 'Send again',
  isDangerous: false,
  run,
});
