// The notice above the list that products have changed elsewhere.

import { fill, h } from '../core/dom.js';
import { icon } from '../core/icons.js';
import { go, setQuery } from '../core/router.js';
import { FROM_THE_START } from './query.js';

/** @import { ImportJob } from '../core/types.d.ts' */

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
  /** @type {ImportJob | null} */
  let lastJob = null;
  /** @param {ImportJob} job */
  const setJob = (job) => {
    lastJob = job.kind !== 'undo' && job.created_count + job.updated_count ? job : null;
    // The stream may have reported the products before their job.
    if (element.childElementCount) show(true);
  };

  /** Show the products that were changed last, wherever they are in the list. */
  function showLatest() {
    if (lastJob) return go(`#/products?${new URLSearchParams({ changed_by: lastJob.task_id })}`);
    const before = window.location.hash;
    setQuery({ sort_by: 'updated_at', sort_order: 'desc', ...FROM_THE_START });
    return window.location.hash === before ? onShow() : undefined;
  }

  /** @param {boolean} wanted */
  function show(wanted) {
    const hadFocus = element.contains(document.activeElement);
    if (!wanted) lastJob = null;
    fill(
      element,
      wanted &&
        h(
          'div',
          { class: 'offer-pill', data: { testid: 'changes-offer' } },
          icon('refresh'),
          h('span', { text: 'Products have changed.' }),
          h('button', {
            class: 'link-button',
            type: 'button',
            text: 'Show',
            data: { testid: 'changes-show' },
            on: { click: onShow },
          }),
          h('button', {
            class: 'link-button',
            type: 'button',
            text: lastJob ? 'Only these' : 'Latest first',
            title: lastJob
              ? `Show the products that ${lastJob.filename} has changed`
              : 'Sort by the latest change, so that the changed products come first',
            data: { testid: 'changes-latest' },
            on: { click: showLatest },
          }),
        ),
    );
    if (hadFocus) onFocusLost();
  }

  return { element, show, setJob };
}
