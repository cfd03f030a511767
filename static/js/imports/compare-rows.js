// Table rows that compare the values of a product before and after a row of the file, side by side.

import { h } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { compareTexts } from '../core/text-changes.js';

/** @import { Child } from '../core/dom.js' */

/** @typedef {{[field: string]: unknown}} Values of a product */

/** @type {Record<string, string>} */
export const FIELD_LABELS = {
  name: t('imports.check.field.name'),
  description: t('imports.check.field.description'),
  active: t('imports.check.field.active'),
};
/** @type {[before: string, after: string]} */
const SIDES = [t('imports.check.before'), t('imports.check.after')];
const MAX_CHARACTERS = 320;

/**
 * Create the cells of the header.
 * @param {string[]} leads labels of the cells that a product has once
 * @param {[before: string, after: string]} [sides]
 */
export const compareHeads = (leads, [before, after] = SIDES) => [
  ...leads.map((text) => h('th', { scope: 'col', class: text === 'SKU' ? 'compare-sku' : 'compare-line', text })),
  h('th', { scope: 'col', class: 'compare-field', text: t('imports.check.field_head') }),
  h('th', { scope: 'col', text: before }),
  h('th', { scope: 'col', text: after }),
];

/**
 * Create the rows of a product, one for each field.
 * @param {object} options
 * @param {HTMLElement[]} options.leads cells that the product has once; they span its rows
 * @param {string[]} options.fields to show
 * @param {Values | null} options.before null if there is no such product
 * @param {Values | null} options.after null if the product would be deleted
 * @param {[before: string, after: string]} [options.sides] labels on narrow screens
 * @returns {HTMLElement[]}
 */
export function compareRows({ leads, fields, before, after, sides = SIDES }) {
  const shown = fields.length ? fields : [''];
  leads.forEach((cell) => cell.setAttribute('rowspan', String(shown.length)));
  return shown.map((field, index) => {
    const [old, current] = field ? compareValues(before, after, field) : [null, null];
    return h(
      'tr',
      { class: index ? '' : 'compare-first', data: { testid: 'compare-row' } },
      index ? null : leads,
      h('td', { class: 'compare-field muted', text: FIELD_LABELS[field] ?? field }),
      h('td', { class: 'compare-value', data: { label: sides[0] } }, old),
      h('td', { class: 'compare-value', data: { label: sides[1] } }, current),
    );
  });
}

/**
 * Return the fields whose values differ; all fields if none does.
 * @param {Values | null} before
 * @param {Values} after
 */
export function differingFields(before, after) {
  const fields = Object.keys(after);
  const differing = fields.filter((field) => before && asText(before[field]) !== asText(after[field]));
  return differing.length ? differing : fields;
}

/**
 * @param {Values | null} before
 * @param {Values | null} after
 * @param {string} field
 * @returns {[before: Child, after: Child]}
 */
function compareValues(before, after, field) {
  if (!after) return [h('del', { text: clip(asText(before?.[field])) }), mutedText(t('imports.check.deleted'))];
  const current = asText(after[field]);
  if (!before) return [null, clip(current) || emptyNote()];
  const old = asText(before[field]);
  if (old === current) return [mutedText(old), mutedText(current)];
  const [oldParts, currentParts] = compareTexts(old, current, clip);
  return [old ? oldParts : emptyNote(), current ? currentParts : emptyNote()];
}

const emptyNote = () => mutedText('');

/** @param {string} text */
const mutedText = (text) => h('span', { class: 'muted', text: clip(text) || t('imports.check.empty') });

/** @param {unknown} value of a field */
function asText(value) {
  if (typeof value === 'boolean') return value ? t('imports.check.yes') : t('imports.check.no');
  return typeof value === 'string' ? value : '';
}

/** @param {string} text */
const clip = (text) => (text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}…` : text);
