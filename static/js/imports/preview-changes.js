// What an import would do to the first products: their fields before and after it, compared word by word.

import { h } from '../core/dom.js';
import { formatNumber } from '../core/format.js';
import { diffWords } from './word-diff.js';

/** @import { Child } from '../core/dom.js' */
/** @import { Preview, PreviewChange } from '../core/types.d.ts' */

/** @type {[field: string, label: string][]} */
const FIELDS = [
  ['name', 'Name'],
  ['description', 'Description'],
  ['active', 'Active'],
];
const MAX_CHARACTERS = 160;

/**
 * Create the card with the changes.
 * @param {Preview} preview
 * @returns {HTMLElement | null} null if the import would change nothing
 */
export function createChangesCard(preview) {
  const { changes } = preview;
  if (!changes.length) return null;
  const fields = FIELDS.filter(([field]) => changes.some(({ after }) => field in after));
  const total = preview.create + preview.update;
  const note = changes.length < total ? `The first ${formatNumber(changes.length)} of ${formatNumber(total)}` : '';
  const heads = [
    h('th', { scope: 'col', text: 'SKU' }),
    fields.map(([field, label]) => h('th', { scope: 'col', class: `change-${field}`, text: label })),
  ];
  const rows = changes.map((change) => changeRow(change, fields));
  return h(
    'section',
    { class: 'card table-card', tabindex: '-1', 'aria-labelledby': 'changes-title', data: { testid: 'changes' } },
    h(
      'div',
      { class: 'card-head card-head-table' },
      h('h2', { id: 'changes-title', text: 'What changes' }),
      h('p', { class: 'muted', text: note }),
    ),
    h(
      'div',
      { class: 'table-scroll panel-scroll', tabindex: '0', role: 'region', 'aria-label': 'Table of changes' },
      h(
        'table',
        { class: 'table table-changes', data: { testid: 'changes-table' } },
        h('thead', {}, h('tr', {}, heads)),
        h('tbody', {}, rows),
      ),
    ),
  );
}

/**
 * @param {PreviewChange} change
 * @param {[field: string, label: string][]} fields the columns of the table
 */
function changeRow({ sku, before, after }, fields) {
  return h(
    'tr',
    { data: { testid: 'change-row' } },
    h(
      'th',
      { scope: 'row', class: 'change-sku' },
      h('span', { class: 'sku', text: sku, title: sku }),
      h('span', { class: `pill ${before ? '' : 'pill-success'}`.trim(), text: before ? 'Update' : 'New' }),
    ),
    fields.map(([field, label]) =>
      h(
        'td',
        { class: `change-${field}`, data: { label } },
        field in after ? changeContent(before ? asText(before[field]) : null, asText(after[field])) : null,
      ),
    ),
  );
}

/**
 * @param {string | null} before null for a new product
 * @param {string} after
 * @returns {Child}
 */
function changeContent(before, after) {
  if (before === null) return clip(after);
  if (before === after) return h('span', { class: 'muted', text: clip(after) });
  return diffWords(before, after).map(({ kind, text }) => {
    if (kind === 'same') return text;
    // Not every screen reader announces deletions and insertions.
    const spoken = h('span', { class: 'visually-hidden', text: kind === 'old' ? ' before: ' : ' now: ' });
    return h(kind === 'old' ? 'del' : 'ins', {}, spoken, clip(text, 2 * MAX_CHARACTERS));
  });
}

/** @param {unknown} value of a field */
function asText(value) {
  if (typeof value === 'boolean') return value ? 'Yes' : 'No';
  return typeof value === 'string' ? value : '';
}

/**
 * @param {string} text
 * @param {number} [maxCharacters]
 */
const clip = (text, maxCharacters = MAX_CHARACTERS) =>
  text.length > maxCharacters ? `${text.slice(0, maxCharacters)}…` : text;
