// The first changes that a check found, as its record keeps them: the fields before and after, side by side.

import { h } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { compareHeads, compareRows, differingFields } from './compare-rows.js';

/** @import { Preview, PreviewChange } from '../core/types.d.ts' */

/**
 * Create the card with the changes.
 * @param {Preview} preview
 * @returns {HTMLElement | null} null if the import would change nothing
 */
export function createChangesCard(preview) {
  const { changes } = preview;
  if (!changes.length) return null;
  const total = preview.create + preview.update;
  const note = changes.length < total ? t('imports.result.changes.first', { count: changes.length, total }) : '';
  return h(
    'section',
    { class: 'card table-card', tabindex: '-1', 'aria-labelledby': 'changes-title', data: { testid: 'changes' } },
    h(
      'div',
      { class: 'card-head card-head-table' },
      h('h2', { id: 'changes-title', text: t('imports.result.changes.title') }),
      h('p', { class: 'muted', text: note }),
    ),
    h(
      'div',
      {
        class: 'table-scroll panel-scroll',
        tabindex: '0',
        role: 'region',
        'aria-label': t('imports.result.changes.table'),
      },
      h(
        'table',
        { class: 'table table-compare', data: { testid: 'changes-table' } },
        h('thead', {}, h('tr', {}, compareHeads(['SKU']))),
        h('tbody', {}, changes.flatMap(changeRows)),
      ),
    ),
  );
}

/** @param {PreviewChange} change */
function changeRows({ sku, before, after }) {
  return compareRows({
    leads: [h('td', { class: 'compare-sku' }, h('span', { class: 'sku', text: sku, title: sku }))],
    fields: differingFields(before, after),
    before,
    after,
  });
}
