// The changes of an entry of the audit log in words: each field with its values before and after.

import { formatBytes, formatList, formatTime, oneLine, parseTime } from '../core/format.js';
import { t } from '../core/i18n.js';
import { CHOICE_LABELS, CHOICE_NAMES } from '../core/option-names.js';

/** @import { AuditEntry } from '../core/types.d.ts' */

/**
 * `title` is the whole value of a text that is shown in short.
 * @typedef {{field: string, before: string, after: string, title?: string}} Change
 */

const LONG_CHARACTERS = 300;
const CHECKSUM_CHARACTERS = 12;
const QUOTED_CHARACTERS = 100;

/** @type {Record<string, string | undefined>} */
const LABELS = {
  ...CHOICE_LABELS,
  active: t('access.change.active'),
  description: t('access.change.description'),
  file_sha256: t('access.change.checksum'),
  file_size: t('access.change.file_size'),
  filter: t('access.change.filter'),
  format: t('access.change.format'),
  ids: t('access.change.products'),
  name: t('access.change.name'),
  role: t('access.change.role'),
  scopes: t('access.change.scopes'),
  sku: t('access.change.sku'),
  wants_preview: t('access.change.checked_first'),
};
/** @type {Record<string, Record<string, string | undefined> | undefined>} */
const VALUE_NAMES = CHOICE_NAMES;
/** @type {Record<string, string | undefined>} */
const FILTER_FIELDS = {
  sku: t('access.change.sku'),
  name: t('access.change.name'),
  description: t('access.change.description'),
};

/**
 * Return the changes of an entry: each field with its values before and after, as texts.
 * @param {AuditEntry['changes']} changes
 * @returns {Change[]}
 */
export function listChanges(changes) {
  return Object.entries(changes ?? {}).map(([name, value]) => {
    const [before, after] = Array.isArray(value) && value.length === 2 ? value : [null, value];
    return {
      field: LABELS[name] ?? name.replaceAll('_', ' '),
      before: describeValue(name, before),
      after: describeValue(name, after),
      ...(name === 'file_sha256' && { title: String(after) }),
    };
  });
}

/**
 * @param {string} name of the field
 * @param {unknown} value
 * @returns {string} "" for nothing
 */
function describeValue(name, value) {
  if (value === null || value === undefined) return '';
  if (name === 'file_sha256') return `${String(value).slice(0, CHECKSUM_CHARACTERS)}…`;
  if (name === 'file_size') return formatBytes(Number(value));
  if (name === 'filter' && typeof value === 'object') return describeFilter(value);
  return VALUE_NAMES[name]?.[String(value)] ?? textOf(value);
}

/**
 * Return which products a filter selects, such as “lamp” anywhere, active.
 * @param {object} filter
 */
function describeFilter(filter) {
  const parts = Object.entries(filter).map(([name, value]) => {
    const text = oneLine(String(value), QUOTED_CHARACTERS);
    if (name === 'q') return t('access.change.filter_anywhere', { text });
    if (name === 'active') return value ? t('access.change.filter_active') : t('access.change.filter_inactive');
    if (name === 'changed_by') return t('access.change.filter_changed_by');
    if (name === 'changed_since') {
      return t('access.change.filter_changed_since', { time: parseTime(text) ? formatTime(text) : text });
    }
    return t('access.change.filter_field', { text, field: FILTER_FIELDS[name] ?? name.replaceAll('_', ' ') });
  });
  return parts.length ? formatList(parts) : t('access.change.filter_none');
}

/**
 * @param {unknown} value
 * @returns {string}
 */
function textOf(value) {
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) return formatList(value.map(textOf));
  if (typeof value === 'boolean') return value ? t('access.yes') : t('access.no');
  const text =
    typeof value === 'object'
      ? formatList(Object.entries(value).map(([name, part]) => `${name.replaceAll('_', ' ')}: ${textOf(part)}`))
      : String(value);
  return text.length > LONG_CHARACTERS ? `${text.slice(0, LONG_CHARACTERS)}…` : text;
}
