// The list of products that a paste did not change, each with the reason.

import { openDialog } from '../core/dialog.js';
import { h } from '../core/dom.js';
import { errorTexts } from '../core/error-texts.js';
import { oneLine } from '../core/format.js';
import { t } from '../core/i18n.js';
import { FIELD_LABELS } from './edit-conflict.js';

/** @import { EditOutcomes } from '../core/types.d.ts' */
/** @import { Refusal } from './paste-plan.js' */

/** @typedef {Pick<Refusal, 'sku' | 'reason'> & Partial<Pick<Refusal, 'field'>>} ListedRefusal */

/**
 * Say why the server refused an edit.
 * @param {EditOutcomes['outcomes'][number]['error']} error
 */
export function reasonOf(error) {
  if (error?.code === 'precondition_failed') return t('products.paste.overwrite');
  if (error?.code === 'product_not_found') return t('products.paste.gone');
  return (error && errorTexts(error).message) ?? t('products.paste.no_reason');
}

/**
 * Show the list.
 * @param {string} title
 * @param {ListedRefusal[]} refusals
 */
export function showRefusals(title, refusals) {
  openDialog(
    title,
    h(
      'ul',
      { class: 'refusals', data: { testid: 'paste-refusals' } },
      refusals.map(({ sku, field, reason }) =>
        h(
          'li',
          {},
          h('strong', {}, h('bdi', { text: oneLine(sku, 100) }), field && ` · ${FIELD_LABELS[field]}`),
          h('p', { text: reason }),
        ),
      ),
    ),
  );
}
