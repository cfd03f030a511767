// The rows an import set aside, a page at a time, loaded when they are opened.

import { getJson, nextStep } from './api.js';
import { buildBanner } from './banner.js';
import { fill, h, setText } from './dom.js';
import { formatCount, formatNumber } from './format.js';
import { icon } from './icons.js';
import { createPager } from './pager.js';

const PER_PAGE = 50;

/**
 * @param {object} job a finished import with rejected rows
 * @returns {HTMLElement} an expander
 */
export function rejectsPanel(job) {
  const body = h('tbody');
  const problem = h('div', {});
  const status = h('p', { class: 'muted rejects-status', role: 'status', text: 'Loading…' });
  const pager = createPager({ label: 'rejected rows', onPage: (page) => load(page) });
  const region = h('div', { class: 'table-scroll rejects-scroll', tabindex: '0', role: 'region', 'aria-label': 'Rejected rows' },
    h('table', { class: 'table', data: { testid: 'rejects-table' } },
      h('thead', {}, h('tr', {},
        h('th', { scope: 'col', class: 'number', text: 'Line' }),
        h('th', { scope: 'col', text: 'Reason' }),
        h('th', { scope: 'col', text: 'Row as it was' }))),
      body));
  const details = h('details', { class: 'card rejects', data: { testid: 'rejects' } },
    h('summary', {}, icon('next', 'rejects-marker'), icon('warning', 'tone-warning'),
      h('span', { text: `${formatCount(job.rejected_count, 'row was', 'rows were')} rejected` }),
      h('span', { class: 'muted rejects-hint', text: 'The other rows went in.' })),
    status, problem, region, pager.element);
  region.hidden = true;
  pager.element.hidden = true;

  async function load(page) {
    region.setAttribute('aria-busy', 'true');
    try {
      const answer = await getJson(`/api/imports/${encodeURIComponent(job.task_id)}/rejects`, { query: { page, per_page: PER_PAGE } });
      problem.replaceChildren();
      fill(body, answer.rejects.map(rejectRow));
      pager.show(answer.pagination);
      region.hidden = false;
      region.scrollTop = 0;
      pager.element.hidden = answer.pagination.pages <= 1;
      setText(status, '');
    } catch (error) {
      setText(status, '');
      problem.replaceChildren(buildBanner({
        title: error.message, detail: nextStep(error), action: { label: 'Try again', run: () => load(page) },
      }));
    }
    region.removeAttribute('aria-busy');
  }
  details.addEventListener('toggle', () => details.open && !body.childElementCount && load(1));
  return details;
}

function rejectRow(reject) {
  const row = rowText(reject.row);
  return h('tr', {},
    h('td', { class: 'number', text: formatNumber(reject.line) }),
    h('td', { class: 'reject-reason' }, h('span', { text: reject.message }), h('code', { class: 'muted', text: reject.code })),
    h('td', { class: 'reject-row' }, h('code', { text: row, title: row })));
}

function rowText(row) {
  if (Array.isArray(row)) return row.map((value) => value ?? '').join(', ');
  return row && typeof row === 'object' ? JSON.stringify(row) : String(row ?? '');
}
