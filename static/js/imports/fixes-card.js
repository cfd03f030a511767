// What was changed in the file of an import before its rows were checked: values and rows, before and after. Changes
// that are prepared and not sent yet are in the same list.

import { getJson, messageOf, nextStep } from '../core/api.js';
import { buildBanner } from '../core/banner.js';
import { elementById, fill, h, setText } from '../core/dom.js';
import { t, tRich } from '../core/i18n.js';
import { hiddenText, timeElement } from '../core/widgets.js';
import { createActionButton } from './action-buttons.js';
import { importApiPath } from './job-actions.js';
import { differingCells, slotsOf } from './row-cells.js';

/** @import { Child } from '../core/dom.js' */
/** @import { FileColumn, FileFix, FileFixes, ImportDetail } from '../core/types.d.ts' */
/** @import { Draft } from './fix-drafts.js' */
/** @import { FixEditor } from './fix-editor.js' */

const MAX_CHARACTERS = 200;

/**
 * Create the card. It is hidden while there are no changes.
 * @param {ImportDetail} job
 * @param {FixEditor | null} editor null for a record without buttons
 * @returns {{element: HTMLElement, stop: () => void}}
 */
export function createFixesCard(job, editor) {
  /** @type {FileFix[]} */
  let applied = [];
  const columns = job.file?.columns ?? [];
  const count = h('p', { class: 'muted', data: { testid: 'fixes-count' } });
  const problem = h('div', { class: 'fixes-problem' });
  const list = h('ul', { class: 'fix-list', 'aria-labelledby': 'fixes-title' });
  const element = h(
    'section',
    { class: 'card fixes-card', 'aria-labelledby': 'fixes-title', hidden: true, data: { testid: 'fixes' } },
    h('div', { class: 'card-head-table' }, h('h2', { id: 'fixes-title', text: t('imports.fix.title') }), count),
    problem,
    h('div', { class: 'fix-scroll', tabindex: '0', role: 'region', 'aria-label': t('imports.fix.list_label') }, list),
  );
  /** @param {Draft} draft */
  const discard = ({ key }) => {
    const buttons = () => [...list.querySelectorAll('button')];
    const index = buttons().findIndex((button) => button === document.activeElement);
    editor?.drafts.remove(key);
    const next = buttons()[Math.min(index, buttons().length - 1)];
    (next ?? elementById('main')).focus({ preventScroll: true });
  };
  const show = () => {
    const prepared = editor?.drafts.list() ?? [];
    setText(count, t('imports.fix.counts', { applied: applied.length, prepared: prepared.length }));
    fill(
      list,
      prepared.map((draft) => draftItem(draft, columns, discard)),
      applied.map((fix) => appliedItem(fix, columns, editor)),
    );
    element.hidden = !applied.length && !prepared.length && !problem.hasChildNodes();
  };
  const load = async () => {
    try {
      /** @type {FileFixes} */
      const { fixes } = await getJson(importApiPath(job.task_id, 'fixes'));
      applied = fixes;
      problem.replaceChildren();
    } catch (error) {
      fill(
        problem,
        buildBanner({
          title: messageOf(error),
          detail: nextStep(error),
          action: { label: t('common.try_again'), run: load },
        }),
      );
    }
    show();
  };
  const stop = editor?.drafts.changed.subscribe(show) ?? (() => {});
  show();
  if (job.fixes_count) load();
  return { element, stop };
}

/**
 * @param {Draft} draft
 * @param {FileColumn[]} columns
 * @param {(draft: Draft) => void} discard
 */
function draftItem(draft, columns, discard) {
  const { fix, problem } = draft;
  const name = nameOf(fix);
  const button = createActionButton('', 'fix-discard', () => discard(draft), 'button-small');
  fill(button, tRich('imports.fix.discard', { name, hidden: hiddenText }));
  return listItem(
    name,
    'line' in fix ? rowChanges(columns, fix.before, fix.row) : valueChange(fix),
    [
      h('span', { class: 'pill pill-running', text: t('imports.fix.prepared') }),
      problem ? h('p', { class: 'field-error', data: { testid: 'fix-refusal' }, text: problem }) : null,
    ],
    button,
  );
}

/**
 * @param {FileFix} fix
 * @param {FileColumn[]} columns
 * @param {FixEditor | null} editor
 */
function appliedItem({ id, column, value, replacement, line, row, created_at }, columns, editor) {
  const isRow = line !== null;
  const name = isRow ? nameOf({ line }) : (column ?? '');
  const button = editor && createActionButton('', 'fix-remove', (it) => editor.withdraw(id, it), 'button-small');
  if (button) fill(button, tRich('imports.fix.remove', { name, hidden: hiddenText }));
  return listItem(
    name,
    isRow ? rowCells(columns, row ?? []) : valueChange({ value: value ?? '', replacement: replacement ?? '' }),
    h('span', { class: 'muted' }, timeElement(created_at)),
    button,
  );
}

/** @param {{line: number} | {column: string}} fix */
const nameOf = (fix) => ('line' in fix ? t('imports.fix.line', { line: fix.line }) : fix.column);

/**
 * @param {string} name
 * @param {Child} changes
 * @param {Child} status
 * @param {HTMLButtonElement | null} button
 */
function listItem(name, changes, status, button) {
  return h(
    'li',
    { class: 'fix-item', data: { testid: 'fix' } },
    h('span', { class: 'fix-name', dir: 'auto', text: name }),
    h('div', { class: 'fix-changes' }, changes),
    h('div', { class: 'fix-status' }, status),
    button,
  );
}

/** @param {{value: string, replacement: string}} fix */
const valueChange = ({ value, replacement }) => h('p', {}, beforeAndAfter(value, replacement));

/**
 * @param {FileColumn[]} columns
 * @param {string[]} before
 * @param {string[]} after
 * @returns {Child}
 */
const rowChanges = (columns, before, after) =>
  differingCells(columns, before, after).map((cell) =>
    h('p', {}, h('span', { class: 'muted', text: `${cell.label}: ` }), beforeAndAfter(cell.before, cell.after)),
  );

/**
 * Create a row as it is now: the cells that are imported and not empty. What it was before is not stored.
 * @param {FileColumn[]} columns
 * @param {string[]} cells
 * @returns {Child}
 */
const rowCells = (columns, cells) =>
  slotsOf(columns, cells)
    .filter(({ column, value }) => column?.field && value)
    .map(({ label, value }) => h('p', {}, h('span', { class: 'muted', text: `${label}: ` }), value && clip(value)));

/**
 * @param {string | null} before null if there was no such cell
 * @param {string | null} after null if the cell is removed
 * @returns {Child}
 */
const beforeAndAfter = (before, after) => [
  textOf('del', before, t('imports.fix.no_cell')),
  h('span', { class: 'muted', text: ' → ' }),
  textOf('ins', after, t('imports.fix.cell_removed')),
];

/**
 * @param {'del' | 'ins'} tag
 * @param {string | null} text
 * @param {string} lacking
 */
function textOf(tag, text, lacking) {
  if (text === null) return h('span', { class: 'muted', text: lacking });
  return text ? h(tag, { dir: 'auto', text: clip(text) }) : h('span', { class: 'muted', text: t('imports.fix.empty') });
}

/** @param {string} text */
const clip = (text) => (text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}…` : text);
