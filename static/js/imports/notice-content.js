// What a notice shows: its lines, its samples, and the options of a retry that settle it.

import { formatAnd, formatList, formatNumber } from '../core/format.js';
import { t } from '../core/i18n.js';
import { canRetry } from './job.js';
import { factText } from './notice-texts.js';
import { FORMAT_OPTIONS } from './options.js';

/** @import { ImportDetail, Notice, NoticeFix, NoticeSample, RetryOptions } from '../core/types.d.ts' */

/** The keys of a sample that have a place of their own. */
const SHOWN_KEYS = new Set(['text', 'readings', 'line']);
/** The keys that the text of a sample about two rows tells. */
const KEYS_OF_PAIRS = new Set(['field', 'kept_line']);

/**
 * The lists that notices are about: the names of their counts on the check and on the result, and what opens them.
 * @type {Record<string, {counts: string[], label: string} | undefined>}
 */
const LISTS = {
  all_rejected: { counts: ['rejected'], label: t('imports.check.notice_list.rejects') },
  many_rejects: { counts: ['rejected'], label: t('imports.check.notice_list.rejects') },
  missing_products: {
    counts: ['delete', 'deactivate', 'deleted', 'deactivated'],
    label: t('imports.check.notice_list.products'),
  },
  duplicates_differ: { counts: ['duplicate'], label: t('imports.check.notice_list.duplicates') },
};

/**
 * Return the list that the notices with a code are about.
 * @param {string} code
 */
export const listOf = (code) => LISTS[code];

/**
 * Return the heading of a list of notices.
 * @param {Notice[]} notices
 */
export const noticesTitle = (notices) => t('imports.check.notices_title', { count: notices.length });

/**
 * Return whether an import can be started again with other options.
 * @param {Pick<ImportDetail, 'status' | 'retry_until'>} job
 */
export const canChangeOptions = (job) => job.status === 'awaiting_confirmation' || canRetry(job);

/**
 * Describe where a notice applies, such as "Lines 3, 8 and 12 more".
 * @param {Pick<Notice, 'count' | 'lines'>} notice
 * @param {number} maxLines how many lines to list
 * @returns {string} "" if it has no lines
 */
export function describeLines({ count, lines }, maxLines) {
  const shown = lines.slice(0, maxLines);
  const [first] = shown;
  if (first === undefined) return '';
  const more = Math.max(count, lines.length) - shown.length;
  const texts = shown.map(formatNumber);
  if (more) return t('imports.check.notice_more_lines', { lines: formatList(texts), count: more });
  return shown.length > 1
    ? t('imports.check.notice_lines', { lines: formatAnd(texts) })
    : t('imports.check.notice_line', { line: first });
}

/**
 * Return whether the sentence of a notice leaves out that there is more than one place.
 * @param {Pick<Notice, 'count'>} notice
 * @param {string} sentence in the language of the page, or in English
 */
export const needsCount = ({ count }, sentence) =>
  count > 1 && ![formatNumber(count), count.toLocaleString('en-US')].some((text) => sentence.includes(text));

/**
 * Return the encodings in which samples were decoded, in the order of the server.
 * @param {NoticeSample[]} samples
 * @returns {string[]}
 */
export const candidatesOf = (samples) => [...new Set(samples.flatMap(({ readings }) => Object.keys(readings ?? {})))];

/**
 * Return the fixes of a notice that need a button. Encodings have theirs beside the decoded texts.
 * @param {Notice} notice
 * @returns {NoticeFix[]}
 */
export function fixesOf({ fix, fixes = [], samples }) {
  const candidates = candidatesOf(samples);
  const all = fix ? [fix, ...fixes] : fixes;
  return all.filter(({ label, options }, index) => {
    const isFirst = all.findIndex((other) => other.label === label) === index;
    const isCandidate = Object.keys(options).join() === 'encoding' && candidates.includes(String(options.encoding));
    return isFirst && !isCandidate;
  });
}

/**
 * Return the options of a retry that settle a notice. A file that is read in another format may have other columns, so
 * a mapping that was chosen by hand is removed.
 * @param {Pick<ImportDetail, 'options'>} job
 * @param {Record<string, unknown>} options of the fix
 * @param {RetryOptions} [changes] what else was changed on the page, and is kept
 * @returns {RetryOptions}
 */
export function retryOptionsOf(job, options, changes = {}) {
  const isOtherFormat = Object.keys(options).some((name) => FORMAT_OPTIONS.has(name));
  const reset = isOtherFormat && (job.options.mapping || changes.mapping) ? { mapping: null } : {};
  return { ...changes, ...reset, ...options, preview: true };
}

/**
 * Return what a sample says besides its text, such as "column: Name · value: 1".
 * @param {NoticeSample} sample
 */
export function describeSample(sample) {
  const { line, text, dropped } = sample;
  // A text such as "A-1: Lamp" names values that need no repetition.
  /** @type {unknown[]} */
  const texts = typeof text === 'string' ? [text, ...text.split(': ')] : [];
  const facts = Object.entries(sample).filter(
    ([name, value]) =>
      !SHOWN_KEYS.has(name) &&
      !(dropped && KEYS_OF_PAIRS.has(name)) &&
      !texts.includes(value) &&
      ['string', 'number', 'boolean'].includes(typeof value),
  );
  return [
    typeof line === 'number' ? t('imports.check.sample_line', { line }) : '',
    ...facts.map(([name, value]) => factText(name, value)),
  ]
    .filter(Boolean)
    .join(' · ');
}
