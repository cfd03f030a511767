// How many existing products a check would change in each field. The numbers open the rows.

import { h } from '../core/dom.js';
import { t } from '../core/i18n.js';
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
        { text: t('imports.check.effect_changed', { count: changed }), filter: field },
        ...(cleared
          ? [
              {
                text: t('imports.check.effect_cleared', { count: cleared }),
                filter: `${field}:cleared`,
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
          'aria-label': t('imports.check.effect_label', { field: label, effect: text }),
          text,
          on: { click: () => openRows(filter) },
        })
      : h('span', { text });
  return h(
    'ul',
    { class: 'field-changes', 'aria-label': t('imports.check.effects_label'), data: { testid: 'field-changes' } },
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
