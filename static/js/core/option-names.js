// The names of the options of an import whose values the product defines, for the imports and for the activity.

import { t } from './i18n.js';

export const CHOICE_LABELS = {
  mode: t('imports.option.label.mode'),
  on_reject: t('imports.option.label.on_reject'),
  short_rows: t('imports.option.label.short_rows'),
  missing: t('imports.option.label.missing'),
};

/**
 * The names of the values by option.
 * @type {Record<keyof typeof CHOICE_LABELS, Record<string, string | undefined>>}
 */
export const CHOICE_NAMES = {
  mode: {
    upsert: t('imports.option.mode.upsert'),
    create: t('imports.option.mode.create'),
    update: t('imports.option.mode.update'),
  },
  on_reject: { skip: t('imports.option.on_reject.skip'), fail: t('imports.option.on_reject.fail') },
  short_rows: { reject: t('imports.option.short_rows.reject'), accept: t('imports.option.short_rows.accept') },
  missing: {
    keep: t('imports.option.missing.keep'),
    deactivate: t('imports.option.missing.deactivate'),
    delete: t('imports.option.missing.delete'),
  },
};
