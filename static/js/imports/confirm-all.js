// The dialog that confirms several imports at once. It shows what each file would do, and which ones did not start.

import { getJson, messageOf, sendJson } from '../core/api.js';
import { showDialog } from '../core/dialog.js';
import { fill, h, setText } from '../core/dom.js';
import { formatNumber } from '../core/format.js';
import { t } from '../core/i18n.js';
import { showMessage } from '../core/message-text.js';
import { toast } from '../core/toast.js';
import { importApiPath } from './job-actions.js';
import { importAddress } from './steps.js';
import { fetchWaiting, planConfirmation } from './waiting-imports.js';

/** @import { ImportDetail } from '../core/types.d.ts' */
/** @import { PlannedImport, Totals } from './waiting-imports.js' */

/** @typedef {{planned: PlannedImport, note: HTMLElement}} Row */

/**
 * Load the imports that wait for their confirmation, then ask whether to confirm all of them.
 * @param {() => void} onChange called when some have been started
 * @returns {Promise<void>} settles when the dialog is open
 * @throws if they cannot be loaded
 */
export async function askToConfirmAll(onChange) {
  const waiting = await fetchWaiting();
  /** @type {ImportDetail[]} */
  const jobs = await Promise.all(waiting.map(({ task_id: id }) => getJson(importApiPath(id))));
  openConfirmAll(jobs, onChange);
}

/**
 * @param {ImportDetail[]} jobs
 * @param {() => void} onChange
 */
function openConfirmAll(jobs, onChange) {
  const { imports, totals } = planConfirmation(jobs);
  const rows = imports.map((planned) => ({ planned, note: noteOf(planned.blocked) }));
  const included = rows.filter(({ planned }) => !planned.blocked);
  const count = included.length;
  const text = h('p', { role: 'status', text: describeTotals(included.length, totals) });
  const table = planTable(rows, totals);
  let isBusy = false;
  const cancel = h('button', {
    class: 'button',
    type: 'button',
    text: t('common.cancel'),
    data: { testid: 'confirm-cancel' },
    on: { click: () => !isBusy && dialog.close() },
  });
  const button = h('button', {
    class: 'button button-primary',
    type: 'button',
    text: t('imports.bulk.confirm.ok', { count }),
    data: { testid: 'confirm-ok' },
    on: { click: () => confirmAll() },
  });
  const actions = h('div', { class: 'dialog-actions' }, cancel, included.length ? button : null);

  async function confirmAll() {
    if (isBusy) return;
    isBusy = true;
    button.setAttribute('aria-disabled', 'true');
    setText(button, t('imports.job.starting'));
    const failures = await confirmEach(included);
    isBusy = false;
    onChange();
    if (!failures) {
      dialog.close();
      toast(t('imports.bulk.confirm.started', { count }));
      return;
    }
    dialog.setTitle(t('imports.bulk.confirm.not_started', { count: failures }));
    setText(text, t('imports.bulk.confirm.partly_started', { started: count - failures, count, failures }));
    table.totals.hidden = true;
    setText(cancel, t('common.close'));
    fill(actions, cancel);
    cancel.focus();
  }

  const dialog = showDialog({
    title: count ? t('imports.bulk.confirm.title', { count }) : t('imports.bulk.confirm.none'),
    content: [h('div', { class: 'confirm' }, text, table.element)],
    footer: actions,
    testid: 'confirm-all-dialog',
    role: 'alertdialog',
    mayClose: () => !isBusy,
  });
  cancel.focus();
}

/**
 * Confirm imports one after the other, and write beside each whether it started.
 * @param {Row[]} rows
 * @returns {Promise<number>} how many did not start
 */
async function confirmEach(rows) {
  let failures = 0;
  for (const { planned, note } of rows) {
    try {
      await sendJson('POST', importApiPath(planned.job.task_id, 'confirm'));
      note.className = 'cell-below muted';
      setText(note, t('imports.bulk.confirm.row_started'));
    } catch (error) {
      failures += 1;
      note.className = 'cell-reason';
      showMessage(note, messageOf(error));
    }
  }
  return failures;
}

/**
 * @param {number} count of files
 * @param {Totals} totals
 */
function describeTotals(count, { create, update, rejected }) {
  if (!count) return t('imports.bulk.confirm.none_hint');
  const sentences = [describeChanges(create, update)];
  if (rejected) sentences.push(t('imports.bulk.confirm.rejected', { count: rejected }));
  if (count > 1 && create + update) sentences.push(t('imports.bulk.confirm.several'));
  return sentences.join(' ');
}

/**
 * @param {number} create
 * @param {number} update
 */
function describeChanges(create, update) {
  if (create && update) return t('imports.bulk.confirm.both', { create, update });
  if (create) return t('imports.bulk.confirm.created', { create });
  return update ? t('imports.bulk.confirm.updated', { update }) : t('imports.bulk.confirm.unchanged');
}

/** @param {string} text */
const noteOf = (text) => h('span', { class: 'cell-below muted', data: { testid: 'plan-note' }, text });

/**
 * @param {Row[]} rows
 * @param {Totals} totals
 * @returns {{element: HTMLElement, totals: HTMLElement}}
 */
function planTable(rows, totals) {
  const head = [
    t('imports.bulk.confirm.head.created'),
    t('imports.bulk.confirm.head.updated'),
    t('imports.bulk.confirm.head.rejected'),
  ].map((text) => h('th', { scope: 'col', class: 'number', text }));
  const foot = h(
    'tfoot',
    {},
    h(
      'tr',
      { data: { testid: 'plan-totals' } },
      h('th', { scope: 'row', text: t('imports.bulk.confirm.total') }),
      numberCells(totals),
    ),
  );
  const element = h(
    'div',
    { class: 'table-scroll plan-scroll', tabindex: '0', role: 'region', 'aria-label': t('imports.bulk.confirm.table') },
    h(
      'table',
      { class: 'table table-plan', data: { testid: 'plan-table' } },
      h('thead', {}, h('tr', {}, h('th', { scope: 'col', text: t('imports.bulk.confirm.head.file') }), head)),
      h('tbody', {}, rows.map(planRow)),
      foot,
    ),
  );
  return { element, totals: foot };
}

/** @param {Row} row */
function planRow({ planned, note }) {
  const { job, blocked } = planned;
  const name = blocked
    ? h('a', { href: importAddress(job.task_id, 'check'), text: job.filename })
    : h('span', { text: job.filename });
  return h(
    'tr',
    { class: blocked ? 'is-blocked' : '', data: { testid: 'plan-row' } },
    h('td', { class: 'plan-file' }, name, note),
    numberCells(planned),
  );
}

/** @param {Totals} counts */
const numberCells = ({ create, update, rejected }) =>
  [create, update, rejected].map((count) => h('td', { class: 'number', text: formatNumber(count) }));
