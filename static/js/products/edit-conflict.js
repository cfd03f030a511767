// Conflicting edits: show the other client's values next to the user's, and let the user choose.

import { h } from '../core/dom.js';
import { t } from '../core/i18n.js';

/** @import { Product } from '../core/types.d.ts' */

/** @typedef {'sku' | 'name' | 'description'} TextField */
/** @typedef {TextField | 'active'} FieldName */
/** @typedef {Partial<Pick<Product, FieldName>>} FieldValues */

/** @type {FieldName[]} */
export const FIELDS = ['sku', 'name', 'description', 'active'];
/** @type {Record<FieldName, string>} */
export const FIELD_LABELS = {
  sku: t('products.field.sku'),
  name: t('products.field.name'),
  description: t('products.field.description'),
  active: t('products.field.active'),
};
const SHOWN_CHARACTERS = 600;

/**
 * Create the element that asks which values to keep.
 * @param {object} options
 * @param {{field: FieldName, theirs: string | boolean, mine: string | boolean}[]} options.fields that differ
 * @param {FieldName[]} [options.others] fields that only the other client changed
 * @param {() => void} options.onMine
 * @param {() => void} options.onTheirs
 * @returns {HTMLElement}
 */
export function createConflictChoice({ fields, others = [], onMine, onTheirs }) {
  const several = fields.length > 1;
  const values = fields.map(({ field, theirs, mine }) => [
    several ? h('p', { class: 'conflict-field', text: FIELD_LABELS[field] }) : null,
    h(
      'dl',
      { class: 'conflict-values' },
      value(t('products.conflict.theirs'), theirs),
      value(t('products.conflict.yours'), mine),
    ),
  ]);
  const other = others.length
    ? h('p', {
        class: 'muted',
        text: t('products.conflict.others', { fields: others.map((field) => FIELD_LABELS[field]).join(', ') }),
      })
    : null;
  return h(
    'div',
    { class: 'conflict', role: 'alert', data: { testid: 'edit-conflict' } },
    h('p', { class: 'conflict-title', text: t('products.conflict.title') }),
    other,
    values,
    h(
      'div',
      { class: 'conflict-actions' },
      h('button', {
        class: 'button button-small',
        type: 'button',
        text: t('products.conflict.use_mine'),
        data: { testid: 'use-mine' },
        on: { click: onMine },
      }),
      h('button', {
        class: 'button button-small',
        type: 'button',
        text: t('products.conflict.take_theirs'),
        data: { testid: 'take-theirs' },
        on: { click: onTheirs },
      }),
    ),
  );
}

/**
 * @param {Product} before
 * @param {Product} latest
 * @returns {FieldName[]} the fields that differ
 */
export function changedFields(before, latest) {
  return FIELDS.filter((field) => before[field] !== latest[field]);
}

/**
 * @param {string} label
 * @param {string | boolean} content
 */
function value(label, content) {
  const text =
    typeof content === 'boolean'
      ? content
        ? t('products.active')
        : t('products.inactive')
      : content.slice(0, SHOWN_CHARACTERS);
  return [
    h('dt', { text: label }),
    h('dd', { dir: 'auto' }, text || h('span', { class: 'muted', text: t('products.conflict.empty') })),
  ];
}
