// What an import would do to the first products: before and after, word by word.

import { h } from '../core/dom.js';
import { formatNumber } from '../core/format.js';
import { diffWords } from './word-diff.js';

const LABELS = { name: 'Name', description: 'Description', active: 'Active' };
const LONGEST = 160;

/**
 * @param {object} preview
 * @returns {HTMLElement|null} null when it would change nothing
 */
export function createChangesCard(preview) {
  const { changes } = preview;
  if (!changes?.length) return null;
  const fields = Object.keys(LABELS).filter((field) => changes.some(({ after }) => field in after));
  const total = (preview.create ?? 0) + (preview.update ?? 0);
  const note = changes.length < total ? `The first ${formatNumber(changes.length)} of ${formatNumber(total)}` : '';
  return h(
    'section',
    { class: 'card table-card', 'aria-labelledby': 'changes-title' },
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
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            h('th', { scope: 'col', text: 'SKU' }),
            fields.map((field) => h('th', { scope: 'col', class: `change-${field}`, text: LABELS[field] })),
          ),
        ),
        h(
          'tbody',
          {},
          changes.map((change) => changeRow(change, fields)),
        ),
      ),
    ),
  );
}

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
    fields.map((field) =>
      h(
        'td',
        { class: `change-${field}`, data: { label: LABELS[field] } },
        field in after ? changeCell(before, after, field) : null,
      ),
    ),
  );
}

function changeCell(before, after, field) {
  const now = words(after[field]);
  if (!before) return clip(now);
  const then = words(before[field]);
  if (then === now) return h('span', { class: 'muted', text: clip(now) });
  return diffWords(then, now).map(({ kind, text }) => {
    if (kind === 'same') return text;
    // Words for those who hear the page: not every reader says what is deleted.
    const spoken = h('span', { class: 'visually-hidden', text: kind === 'old' ? ' before: ' : ' now: ' });
    return h(kind === 'old' ? 'del' : 'ins', {}, spoken, clip(text, 2 * LONGEST));
  });
}

const words = (value) => (typeof value === 'boolean' ? (value ? 'Yes' : 'No') : (value ?? ''));

const clip = (text, longest = LONGEST) => (text.length > longest ? `${text.slice(0, longest)}…` : text);
