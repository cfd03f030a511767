// How many existing products a check would change in each field. The numbers open the rows.

import { h } from '../core/dom.js';
import { formatNumber } from '../core/format.js';
import { FIELD_LABELS } from './compare-rows.js';

/** @import { Preview } from '../core/types.d.ts' */

/** @typedef {{text: string, filter: string}} Effect `filter` is the value of the filter by field of the rows */

/**
 * Return the fields that change, with what happens to them, such as "49,819 changed" and "12 become empty".
 * @param {Preview['fields']} fields
 * @returns {{label: string, effects: Effect[]}[]}
 */
export function describeFieldChanges(fields) {
  return Object.entries(fields)
    .filter(([, { changed }]) => changed)
    .map(([field, { changed, cleared }]) => ({
      label: FIELD_LABELS[field] ?? field,
      effects: [
        { text: `${formatNumber(changed)} changed`, filter: field },
        ...(cleared
          ? [
              {
                text: `${formatNumber(cleared)} ${cleared === 1 ? 'becomes' : 'become'} empty`,
                filter: `${field} cleared`,
              },
            ]
          : []),
      ],
    }));
}

/**
 * Create the list.
 * @param {Preview['fields']} fields
 * @param {((filter: string) => void) | null} openRows null if the rows cannot be listed any more
 * @returns {HTMLElement | null} null if no existing product changes
 */
export function createFieldChanges(fields, openRows) {
  const changes = describeFieldChanges(fields);
  if (!changes.length) return null;
  /**
   * @param {string} label
   * @param {Effect} effect
   */
  const effectElement = (label, { text, filter }) =>
    openRows
      ? h('button', {
          class: 'link-button',
          type: 'button',
          'aria-label': `${label}, ${text}: show the list`,
          text,
          on: { click: () => openRows(filter) },
        })
      : h('span', { text });
  return h(
    'ul',
    { class: 'field-changes', 'aria-label': 'Changes by field', data: { testid: 'field-changes' } },
    changes.map(({ label, effects }) =>
      h(
        'li',
        {},
        h('span', { class: 'muted', text: label }),
        effects.map((effect) => effectElement(label, effect)),
      ),
    ),
  );
}
