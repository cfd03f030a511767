// What was changed in the file of an import before its rows were checked: values and rows, before and after. Changes
// that are prepared and not sent yet are in the same list.

import { getJson, messageOf, nextStep } from '../core/api.js';
import { buildBanner } from '../core/banner.js';
import { elementById, fill, h, setText } from '../core/dom.js';
import { formatNumber } from '../core/format.js';
import { timeElement } from '../core/widgets.js';
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
    h('div', { class: 'card-head-table' }, h('h2', { id: 'fixes-title', text: 'Your changes to the file' }), count),
    problem,
    h('div', { class: 'fix-scroll', tabindex: '0', role: 'region', 'aria-label': 'Changes to the file' }, list),
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
    setText(count, describeCounts(applied.length, prepared.length));
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
          action: { label: 'Try again', run: load },
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
 * @param {number} applied
 * @param {number} prepared
 */
function describeCounts(applied, prepared) {
  const parts = [
    applied ? `${formatNumber(applied)} applied` : '',
    prepared ? `${formatNumber(prepared)} prepared` : '',
  ];
  return parts.filter(Boolean).join(', ');
}

/**
 * @param {Draft} draft
 * @param {FileColumn[]} columns
 * @param {(draft: Draft) => void} discard
 */
function draftItem(draft, columns, discard) {
  const { fix, problem } = draft;
  return listItem(
    nameOf(fix),
    'line' in fix ? rowChanges(columns, fix.before, fix.row) : valueChange(fix),
    [
      h('span', { class: 'pill pill-running', text: 'Prepared' }),
      problem ? h('p', { class: 'field-error', data: { testid: 'fix-refusal' }, text: problem }) : null,
    ],
    createActionButton('Discard', 'fix-discard', () => discard(draft), 'button-small'),
  );
}

/**
 * @param {FileFix} fix
 * @param {FileColumn[]} columns
 * @param {FixEditor | null} editor
 */
function appliedItem({ id, column, value, replacement, line, row, created_at }, columns, editor) {
  const isRow = line !== null;
  return listItem(
    isRow ? nameOf({ line }) : (column ?? ''),
    isRow ? rowCells(columns, row ?? []) : valueChange({ value: value ?? '', replacement: replacement ?? '' }),
    h('span', { class: 'muted' }, timeElement(created_at)),
    editor && createActionButton('Remove', 'fix-remove', (pressed) => editor.withdraw(id, pressed), 'button-small'),
  );
}

/** @param {{line: number} | {column: string}} fix */
const nameOf = (fix) => ('line' in fix ? `Line ${formatNumber(fix.line)}` : fix.column);

/**
 * @param {string} name
 * @param {Child} changes
 * @param {Child} status
 * @param {HTMLButtonElement | null} button
 */
function listItem(name, changes, status, button) {
  button?.append(h('span', { class: 'visually-hidden', text: ` the change of ${name}` }));
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
  textOf('del', before, 'no cell'),
  h('span', { class: 'muted', text: ' → ' }),
  textOf('ins', after, 'removed'),
];

/**
 * @param {'del' | 'ins'} tag
 * @param {string | null} text
 * @param {string} lacking
 */
function textOf(tag, text, lacking) {
  if (text === null) return h('span', { class: 'muted', text: lacking });
  return text ? h(tag, { dir: 'auto', text: clip(text) }) : h('span', { class: 'muted', text: 'empty' });
}

/** @param {string} text */
const clip = (text) => (text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}…` : text);
