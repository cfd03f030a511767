// The notice above the list that products have changed elsewhere.

import { fill, h } from '../core/dom.js';
import { oneLine } from '../core/format.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { go, setQuery } from '../core/router.js';
import { FROM_THE_START } from './query.js';

/** @import { ImportJob } from '../core/types.d.ts' */

const NAME_CHARACTERS = 40;

/**
 * Create the notice, hidden at first.
 * @param {object} options
 * @param {() => void} options.onShow load the list again
 * @param {() => void} options.onFocusLost the notice had the focus and is gone
 * @returns {{element: HTMLElement, show: (wanted: boolean) => void, setJob: (job: ImportJob) => void}} `setJob`: an
 *   import, a bulk change or an undo has ended, which may have changed the products
 */
export function createChangesOffer({ onShow, onFocusLost }) {
  const element = h('div', { class: 'offer', role: 'status' });
  /**
   * The jobs that have ended since the list was loaded.
   * @type {Map<string, ImportJob>}
   */
  const jobs = new Map();
  const onlyJob = () => (jobs.size === 1 ? [...jobs.values()][0] : undefined);
  /** @param {ImportJob} job */
  const setJob = (job) => {
    if (job.kind !== 'undo' && job.created_count + job.updated_count) jobs.set(job.task_id, job);
    // The stream may have reported the products before their job.
    if (element.childElementCount) show(true);
  };

  /** Show the products that were changed last, wherever they are in the list. */
  function showLatest() {
    const job = onlyJob();
    if (job) return go(`#/products?${new URLSearchParams({ changed_by: job.task_id })}`);
    const before = window.location.hash;
    setQuery({ sort_by: 'updated_at', sort_order: 'desc', ...FROM_THE_START });
    return window.location.hash === before ? onShow() : undefined;
  }

  /** @param {boolean} wanted */
  function show(wanted) {
    const hadFocus = element.contains(document.activeElement);
    if (!wanted) jobs.clear();
    const job = onlyJob();
    fill(
      element,
      wanted &&
        h(
          'div',
          { class: 'offer-pill', data: { testid: 'changes-offer' } },
          icon('refresh'),
          h('span', { text: t('products.offer.text') }),
          h('button', {
            class: 'link-button',
            type: 'button',
            text: t('products.offer.show'),
            data: { testid: 'changes-show' },
            on: { click: onShow },
          }),
          h('button', {
            class: 'link-button',
            type: 'button',
            text: job
              ? t('products.offer.those_of', { name: oneLine(job.filename, NAME_CHARACTERS) })
              : t('products.offer.latest'),
            title: job ? t('products.offer.job_hint', { name: job.filename }) : t('products.offer.latest_hint'),
            data: { testid: 'changes-latest' },
            on: { click: showLatest },
          }),
        ),
    );
    if (hadFocus) onFocusLost();
  }

  return { element, show, setJob };
}
