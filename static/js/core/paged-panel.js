// A card that opens to show a table with pages. The pages are loaded once the card is open.

import { getJson, hasStatus, messageOf, nextStep } from './api.js';
import { buildBanner } from './banner.js';
import { fill, h, setText } from './dom.js';
import { t } from './i18n.js';
import { icon } from './icons.js';
import { createPager } from './pager.js';

const PER_PAGE = 25;

/** @import { Query } from './query-string.js' */
/** @import { Child } from './dom.js' */
/** @import { Pagination } from './types.d.ts' */

/**
 * Create a panel.
 * @template {{pagination: Pagination}} Answer
 * @param {object} options
 * @param {Child[]} options.summary text of the closed card
 * @param {string} options.label of the table
 * @param {HTMLElement[]} options.heads cells of the header
 * @param {string} options.testid
 * @param {boolean} [options.open]
 * @param {string} [options.tableClass] a class of the table
 * @param {HTMLElement} [options.tools] above the table
 * @param {string | (() => string)} options.nothing text for an empty list
 * @param {() => {path: string, query?: Query}} options.source where the pages come from
 * @param {(answer: Answer) => HTMLElement[]} options.rows creates the rows of a page
 * @returns {{element: HTMLElement, load: (page: number) => Promise<void>}}
 */
export function pagedPanel({
  summary,
  label,
  heads,
  testid,
  open = false,
  tableClass = '',
  tools,
  nothing,
  source,
  rows,
}) {
  const body = h('tbody');
  const problem = h('div', {});
  const status = h('p', { class: 'muted panel-status', role: 'status', text: t('common.loading') });
  const pager = createPager({ label, onPage: (page) => load(page) });
  const region = h(
    'div',
    { class: 'table-scroll panel-scroll', tabindex: '0', role: 'region', 'aria-label': label, hidden: true },
    h(
      'table',
      { class: `table ${tableClass}`.trim(), data: { testid: `${testid}-table` } },
      h('thead', {}, h('tr', {}, heads)),
      body,
    ),
  );
  const element = h(
    'details',
    { class: 'card panel', open, data: { testid } },
    h('summary', {}, icon('next', 'panel-marker'), summary),
    tools ?? null,
    status,
    problem,
    region,
    pager.element,
  );
  pager.element.hidden = true;
  let wanted = 0;
  const emptyText = () => (typeof nothing === 'string' ? nothing : nothing());

  /** @param {number} page */
  async function load(page) {
    wanted += 1;
    const number = wanted;
    // Busy rows are dimmed, so the first rows must never be busy.
    if (!region.hidden) region.setAttribute('aria-busy', 'true');
    try {
      const { path, query } = source();
      /** @type {Answer} */
      const answer = await getJson(path, { query: { ...query, page, per_page: PER_PAGE } });
      if (number !== wanted) return;
      problem.replaceChildren();
      const { pagination } = answer;
      fill(body, rows(answer));
      pager.show(pagination);
      region.hidden = !pagination.total;
      region.scrollTop = 0;
      pager.element.hidden = pagination.pages <= 1;
      setText(status, pagination.total ? '' : emptyText());
    } catch (error) {
      if (number !== wanted) return;
      setText(status, '');
      // After a conflict the list is gone, so its last page is not shown any more and another attempt is of no use.
      const isGone = hasStatus(error, 409);
      if (isGone) {
        region.hidden = true;
        pager.element.hidden = true;
      }
      problem.replaceChildren(
        buildBanner({
          title: messageOf(error),
          detail: nextStep(error),
          tone: isGone ? 'warning' : 'error',
          action: isGone ? undefined : { label: t('common.try_again'), run: () => load(page) },
        }),
      );
    }
    region.removeAttribute('aria-busy');
  }
  const loadOnce = () => element.open && !wanted && load(1);
  element.addEventListener('toggle', loadOnce);
  loadOnce();
  return { element, load };
}
