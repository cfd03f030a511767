// The rejected rows of an import by reason, column and value, in a panel with pages. A group opens its rows.

import { h } from '../core/dom.js';
import { formatCount, formatNumber } from '../core/format.js';
import { plainMessage } from '../core/message-text.js';
import { pagedPanel } from '../core/paged-panel.js';
import { importApiPath } from './job-actions.js';

/** @import { ImportJob, RejectGroup, RejectGroups } from '../core/types.d.ts' */

/**
 * Create the panel.
 * @param {ImportJob} job
 * @param {object} options
 * @param {boolean} options.open
 * @param {(group: RejectGroup) => void} options.onChoose shows the rows of a group
 * @returns {HTMLElement}
 */
export function createRejectGroupsPanel(job, { open, onChoose }) {
  return pagedPanel({
    summary: [h('span', { text: 'Why rows were rejected' })],
    label: 'Reasons of rejected rows',
    testid: 'reject-groups',
    open,
    heads: [
      h('th', { scope: 'col', class: 'number', text: 'Rows' }),
      h('th', { scope: 'col', text: 'Reason' }),
      h('th', { scope: 'col', text: 'Column' }),
      h('th', { scope: 'col', text: 'Value' }),
    ],
    nothing: 'These rows are no longer stored.',
    source: () => ({ path: importApiPath(job.task_id, 'rejects/groups') }),
    /** @param {RejectGroups} answer */
    rows: ({ groups, message }) => [
      ...groups.map((group) => groupRow(group, onChoose)),
      ...(message && groups.length ? [h('tr', {}, h('td', { class: 'muted', colspan: 4, message }))] : []),
    ],
  }).element;
}

/**
 * @param {RejectGroup} group
 * @param {(group: RejectGroup) => void} onChoose
 */
function groupRow(group, onChoose) {
  const { code, message, column, value, count } = group;
  return h(
    'tr',
    {},
    h(
      'td',
      { class: 'number' },
      h('button', {
        class: 'link-button group-count',
        type: 'button',
        'aria-label': `${describeGroup(group)}: show ${formatCount(count, 'row')}`,
        text: formatNumber(count),
        on: { click: () => onChoose(group) },
      }),
    ),
    h('td', { class: 'reject-reason' }, h('span', { message }), h('code', { class: 'muted', text: code })),
    h('td', { class: 'group-column', text: column ?? '–' }),
    h('td', { class: 'group-column' }, value === null ? '–' : h('code', { text: value })),
  );
}

/**
 * Return the name of a group: the column with its value, or the reason.
 * @param {Pick<RejectGroup, 'message' | 'column' | 'value'>} group
 */
export function describeGroup({ message, column, value }) {
  if (column === null) return plainMessage(message);
  return value === null ? `${column}: ${plainMessage(message)}` : `${column}: “${value}”`;
}
