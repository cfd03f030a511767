// The rejected rows of an import by reason, column and value, in a panel with pages. A group opens its rows, and a form
// that replaces its value.

import { fill, h } from '../core/dom.js';
import { formatNumber } from '../core/format.js';
import { t, tRich } from '../core/i18n.js';
import { plainMessage } from '../core/message-text.js';
import { pagedPanel } from '../core/paged-panel.js';
import { hiddenText } from '../core/widgets.js';
import { keyOf } from './fix-drafts.js';
import { createFixValueForm } from './fix-value-form.js';
import { importApiPath } from './job-actions.js';
import { blamedColumn } from './row-cells.js';
import { listText, rejectText } from './server-texts.js';

/** @import { ImportJob, RejectGroup, RejectGroups } from '../core/types.d.ts' */
/** @import { FixEditor } from './fix-editor.js' */

/** The server shortens longer values, so they cannot be found in the file by them. */
const LONGEST_VALUE = 199;

/**
 * Create the panel.
 * @param {ImportJob} job
 * @param {object} options
 * @param {boolean} options.open
 * @param {FixEditor | null} options.editor null if the file cannot be corrected
 * @param {(group: RejectGroup) => void} options.onChoose shows the rows of a group
 * @returns {{element: HTMLElement, stop: () => void}}
 */
export function createRejectGroupsPanel(job, { open, editor, onChoose }) {
  /** @type {GroupRow[]} */
  let shown = [];
  const heads = [
    h('th', { scope: 'col', class: 'number', text: t('imports.reject.rows') }),
    h('th', { scope: 'col', text: t('imports.reject.reason') }),
    h('th', { scope: 'col', text: t('imports.reject.column') }),
    h('th', { scope: 'col', text: t('imports.reject.value') }),
    ...(editor ? [changeHead()] : []),
  ];
  const panel = pagedPanel({
    summary: [h('span', { text: t('imports.reject.groups_title') })],
    label: t('imports.reject.groups_label'),
    testid: 'reject-groups',
    tableClass: 'table-rejects',
    open,
    heads,
    nothing: t('imports.reject.not_stored'),
    source: () => ({ path: importApiPath(job.task_id, 'rejects/groups') }),
    /** @param {RejectGroups} answer */
    rows: (answer) => {
      const { groups } = answer;
      const message = listText(answer);
      shown = groups.map((group) => createGroupRow(group, onChoose, editor));
      return [
        ...shown.map(({ element }) => element),
        ...(message && groups.length ? [h('tr', {}, h('td', { class: 'muted', colspan: heads.length, message }))] : []),
      ];
    },
  });
  const stop = editor?.drafts.changed.subscribe(() => shown.forEach(({ showDraft }) => showDraft())) ?? (() => {});
  return { element: panel.element, stop };
}

/** Create the head of the column with the buttons that change the file. */
export const changeHead = () =>
  h(
    'th',
    { scope: 'col', class: 'fix-cell' },
    h('span', { class: 'visually-hidden', text: t('imports.reject.change') }),
  );

/** @typedef {{element: HTMLElement, showDraft: () => void}} GroupRow */

/**
 * @param {RejectGroup} group
 * @param {(group: RejectGroup) => void} onChoose
 * @param {FixEditor | null} editor
 * @returns {GroupRow}
 */
function createGroupRow(group, onChoose, editor) {
  const { code, column, value, count } = group;
  const valueCell = h('td', { class: 'group-column', data: { label: t('imports.reject.value') } });
  const name = editor?.columns[blamedColumn(editor.columns, group)]?.name;
  const fix = editor && name !== undefined && isReplaceable(value) ? createFixCell(name, value, editor) : null;
  const element = h(
    'tr',
    {},
    h(
      'td',
      { class: 'number', data: { label: t('imports.reject.rows') } },
      h('button', {
        class: 'link-button group-count',
        type: 'button',
        'aria-label': t('imports.reject.show_group', { group: describeGroup(group), count }),
        text: formatNumber(count),
        on: { click: () => onChoose(group) },
      }),
    ),
    h(
      'td',
      { class: 'reject-reason' },
      h('span', { message: rejectText(group) }),
      h('code', { class: 'muted', text: code }),
    ),
    h('td', { class: 'group-column', data: { label: t('imports.reject.column') }, text: column ?? '–' }),
    valueCell,
    editor ? h('td', { class: 'fix-cell' }, fix?.button) : null,
  );
  const showDraft = () => {
    const draft = fix?.draft();
    fill(
      valueCell,
      value === null ? '–' : h('code', { text: value }),
      draft && [
        h('span', { class: 'muted', text: ' → ' }),
        draft.replacement
          ? h('code', { text: draft.replacement })
          : h('span', { class: 'muted', text: t('imports.reject.empty') }),
        h('span', { class: 'pill pill-running', text: t('imports.reject.prepared') }),
      ],
    );
    fix?.show();
  };
  showDraft();
  return { element, showDraft };
}

/**
 * @param {string | null} value of a group
 * @returns {value is string}
 */
const isReplaceable = (value) => value !== null && value.length <= LONGEST_VALUE;

/**
 * Create the button that opens the form in a row of its own, below the row of the group.
 * @param {string} column as the file names it
 * @param {string} value
 * @param {FixEditor} editor
 */
function createFixCell(column, value, editor) {
  const { drafts } = editor;
  /** @type {{row: HTMLElement, form: ReturnType<typeof createFixValueForm>} | null} */
  let opened = null;
  const close = () => {
    opened?.row.remove();
    opened = null;
    button.setAttribute('aria-expanded', 'false');
    button.focus();
  };
  const toggle = () => {
    if (opened) return close();
    const form = createFixValueForm({ column, value, editor, onClose: close });
    const row = h('tr', { class: 'fix-row' }, h('td', { colspan: 5 }, form.element));
    opened = { row, form };
    button.closest('tr')?.after(row);
    button.setAttribute('aria-expanded', 'true');
    return form.focus();
  };
  const button = h('button', {
    class: 'button button-small',
    type: 'button',
    'aria-expanded': 'false',
    data: { testid: 'fix-value' },
    on: { click: toggle },
  });
  const draft = () => {
    const fix = drafts.get(keyOf({ column, value }))?.fix;
    return fix && 'replacement' in fix ? fix : undefined;
  };
  const show = () => {
    fill(
      button,
      tRich(draft() ? 'imports.reject.change_value' : 'imports.reject.replace_value', {
        value,
        column,
        hidden: hiddenText,
      }),
    );
    opened?.form.showDrafts();
  };
  return { button, draft, show };
}

/**
 * Return the name of a group: the column with its value, or the reason.
 * @param {Pick<RejectGroup, 'code' | 'column' | 'details' | 'message' | 'value'>} group
 */
export function describeGroup(group) {
  const { column, value } = group;
  const reason = plainMessage(rejectText(group));
  if (column === null) return reason;
  return value === null
    ? t('imports.reject.group_reason', { column, reason })
    : t('imports.reject.group_value', { column, value });
}
