// The sentences of notices in the language of the page, built from what the API says beside its English sentences.

import { apiText, t } from '../core/i18n.js';
import { encodingName } from './options.js';

/** @import { Notice, NoticeFix, NoticeSample } from '../core/types.d.ts' */

/** The details that name an encoding. */
const ENCODINGS = ['encoding', 'rest'];
const MAX_VALUE_CHARACTERS = 40;

/** @type {Record<string, string | undefined>} */
const FIELD_NAMES = {
  active: t('imports.check.field.active'),
  description: t('imports.check.field.description'),
  name: t('imports.check.field.name'),
};

/**
 * Return the sentence of a notice.
 * @param {Pick<Notice, 'code' | 'count' | 'message' | 'details'>} notice
 */
export const noticeText = ({ code, count, message, details }) =>
  apiText(`notice.${code}`, { count, ...nameEncodings(details) }) ?? message;

/**
 * Return the words of the button of a fix.
 * @param {Pick<NoticeFix, 'code' | 'label' | 'details'>} fix
 */
export const fixText = ({ code, label, details }) => apiText(`fix.${code}`, nameEncodings(details)) ?? label;

/**
 * Return the text of a sample of a notice.
 * @param {string} code of the notice
 * @param {NoticeSample} sample
 */
export function sampleText(code, { text, field, dropped, kept, ...facts }) {
  const name = String(field);
  return (
    apiText(`sample.${code}`, {
      ...facts,
      field: FIELD_NAMES[name],
      dropped: valueOf(dropped, name),
      kept: valueOf(kept, name),
    }) ?? text
  );
}

/**
 * Return a fact of a sample, such as "field: Name".
 * @param {string} name
 * @param {unknown} value
 */
export function factText(name, value) {
  const shown = name === 'field' ? (FIELD_NAMES[String(value)] ?? value) : value;
  return FACTS[name]?.(String(shown)) ?? `${name.replaceAll('_', ' ')}: ${value}`;
}

/** @type {Record<string, ((value: string) => string) | undefined>} */
const FACTS = {
  after: (value) => t('imports.check.sample_fact.after', { value }),
  before: (value) => t('imports.check.sample_fact.before', { value }),
  field: (value) => t('imports.check.sample_fact.field', { value }),
  name: (value) => t('imports.check.sample_fact.name', { value }),
  sku: (value) => t('imports.check.sample_fact.sku', { value }),
};

/**
 * @param {Record<string, unknown>} details
 * @returns {Record<string, unknown>}
 */
function nameEncodings(details) {
  const named = ENCODINGS.filter((name) => typeof details[name] === 'string');
  return { ...details, ...Object.fromEntries(named.map((name) => [name, encodingName(String(details[name]))])) };
}

/**
 * @param {unknown} row values by field
 * @param {string} field
 * @returns {string | undefined} undefined if the row is unknown
 */
function valueOf(row, field) {
  if (!row || typeof row !== 'object') return undefined;
  const value = /** @type {Record<string, unknown>} */ (row)[field];
  if (typeof value === 'boolean') return value ? t('imports.check.yes') : t('imports.check.no');
  const text = String(value ?? '');
  return text.length > MAX_VALUE_CHARACTERS ? `${text.slice(0, MAX_VALUE_CHARACTERS - 1)}…` : text;
}
