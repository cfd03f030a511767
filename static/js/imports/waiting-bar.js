// Above the import history: how many imports wait for their confirmation, a link to the next one and a button for all.

import { messageOf, nextStep } from '../core/api.js';
import { clearBanner, showBanner } from '../core/banner.js';
import { debounce, h, setText } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { createActionButton, offerAction } from './action-buttons.js';
import { askToConfirmAll } from './confirm-all.js';
import { importAddress } from './steps.js';
import { fetchWaiting } from './waiting-imports.js';

const BANNER_KEY = 'confirm-all';
const RELOAD_DELAY_MS = 200;

/**
 * Create the bar. It is hidden unless several imports wait.
 * @param {() => void} onChange called when some have been confirmed
 * @returns {{element: HTMLElement, reload: () => void, stop: () => void}}
 */
export function createWaitingBar(onChange) {
  const text = h('span', { class: 'waiting-text' });
  const next = h('a', {
    class: 'button button-small',
    text: t('imports.history.waiting.next'),
    data: { testid: 'next-to-confirm' },
  });
  const confirm = createActionButton(
    t('imports.history.waiting.confirm_all'),
    'confirm-all',
    openDialog,
    'button-small',
  );
  const element = h(
    'section',
    {
      class: 'card waiting-bar',
      'aria-label': t('imports.history.waiting.label'),
      hidden: true,
      data: { testid: 'waiting-bar' },
    },
    icon('pause', 'tone-warning'),
    text,
    h('div', { class: 'waiting-actions' }, next, confirm),
  );

  offerAction(confirm, t('imports.history.waiting.confirm_all_command'), 'check', openDialog);

  async function openDialog() {
    confirm.setAttribute('aria-disabled', 'true');
    clearBanner(BANNER_KEY);
    try {
      await askToConfirmAll(onChange);
    } catch (error) {
      const title = t('imports.history.waiting.not_loaded', { reason: messageOf(error) });
      showBanner({ key: BANNER_KEY, title, detail: nextStep(error) });
    }
    confirm.removeAttribute('aria-disabled');
  }
  const reload = debounce(async () => {
    try {
      const waiting = await fetchWaiting();
      const [first] = waiting;
      element.hidden = waiting.length < 2;
      setText(text, t('imports.history.waiting.count', { count: waiting.length }));
      if (first) next.href = importAddress(first.task_id, 'check');
    } catch {
      // The bar is optional, and the history reports what is wrong.
    }
  }, RELOAD_DELAY_MS);
  const stop = () => {
    reload.cancel();
    clearBanner(BANNER_KEY);
  };
  return { element, reload, stop };
}
