// Someone else changed the product meanwhile: what they wrote beside what we wrote, and the choice.

import { h } from '../core/dom.js';

export const FIELD_LABELS = { sku: 'SKU', name: 'Name', description: 'Description', active: 'Active' };
const SHOWN_CHARACTERS = 600;

/**
 * @param {object} options
 * @param {{field: string, theirs: any, mine: any}[]} options.fields what differs
 * @param {string[]} [options.others] fields that they changed and we did not
 * @param {() => void} options.onMine
 * @param {() => void} options.onTheirs
 * @returns {HTMLElement}
 */
export function conflictChoice({ fields, others = [], onMine, onTheirs }) {
  const several = fields.length > 1;
  const values = fields.map(({ field, theirs, mine }) => [
    several ? h('p', { class: 'conflict-field', text: FIELD_LABELS[field] }) : null,
    h('dl', { class: 'conflict-values' }, value('Theirs', theirs), value('Yours', mine)),
  ]);
  const other = others.length
    ? h('p', { class: 'muted', text: `They also changed: ${others.map((field) => FIELD_LABELS[field]).join(', ')}.` })
    : null;
  return h(
    'div',
    { class: 'conflict', role: 'alert', data: { testid: 'edit-conflict' } },
    h('p', { class: 'conflict-title', text: 'Changed by someone else meanwhile' }),
    other,
    values,
    h(
      'div',
      { class: 'conflict-actions' },
      h('button', {
        class: 'button button-small',
        type: 'button',
        text: 'Use mine',
        data: { testid: 'use-mine' },
        on: { click: onMine },
      }),
      h('button', {
        class: 'button button-small',
        type: 'button',
        text: 'Take theirs',
        data: { testid: 'take-theirs' },
        on: { click: onTheirs },
      }),
    ),
  );
}

/**
 * @param {object} before the product as we knew it
 * @param {object} present the product as it is
 * @returns {string[]} the fields that differ
 */
export function changedFields(before, present) {
  return Object.keys(FIELD_LABELS).filter((field) => before[field] !== present[field]);
}

function value(label, content) {
  const text = typeof content === 'boolean' ? (content ? 'Active' : 'Inactive') : content.slice(0, SHOWN_CHARACTERS);
  return [h('dt', { text: label }), h('dd', { dir: 'auto' }, text || h('span', { class: 'muted', text: 'Empty' }))];
}
