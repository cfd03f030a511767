// The names of fields within a sentence.

import { t } from '../core/i18n.js';
import { LOCALE } from '../core/locale.js';

/** @import { FieldName } from './edit-conflict.js' */

/** @type {Record<FieldName, string>} */
const NAMES = {
  sku: t('products.noun.sku'),
  name: t('products.noun.name'),
  description: t('products.noun.description'),
  active: t('products.noun.active'),
};
const LIST = new Intl.ListFormat(LOCALE, { type: 'conjunction' });

/** @param {FieldName[]} fields @returns {string} such as "name and description" */
export const listFields = (fields) => LIST.format(fields.map((field) => NAMES[field]));
