// Formats of numbers, sizes and times for people.

import { serverNow } from './server-clock.js';

// The page is in English. The reader's variant of English decides separators and the order of dates.
// Node.js 20, which runs the tests, has no `navigator`.
const LOCALE = globalThis.navigator?.languages?.find((language) => /^en\b/i.test(language)) ?? 'en';

const INTEGER = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const ONE_DIGIT = new Intl.NumberFormat(LOCALE, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const PERCENT = new Intl.NumberFormat(LOCALE, { style: 'percent', maximumFractionDigits: 4 });
const FULL_TIME = new Intl.DateTimeFormat(LOCALE, { dateStyle: 'medium', timeStyle: 'medium' });
const HOUR_OF_DAY = new Intl.DateTimeFormat(LOCALE, { weekday: 'short', hour: 'numeric', minute: '2-digit' });
const TIME_TO_THE_SECOND = new Intl.DateTimeFormat(LOCALE, { timeStyle: 'medium' });
const TIME_OF_DAY = new Intl.DateTimeFormat(LOCALE, { hour: 'numeric', minute: '2-digit' });
const DAY = new Intl.DateTimeFormat(LOCALE, { weekday: 'short', day: 'numeric', month: 'short' });
const SHORT_DATE = new Intl.DateTimeFormat(LOCALE, { day: 'numeric', month: 'short', year: 'numeric' });
const RELATIVE = new Intl.RelativeTimeFormat(LOCALE, { numeric: 'auto' });

const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;

/** @param {number} value @returns {string} with thousands separators */
export const formatNumber = (value) => INTEGER.format(Number(value) || 0);

/**
 * Return a number with its noun, such as "2 rows".
 * @param {number} count
 * @param {string} singular
 * @param {string} [plural]
 */
export function formatCount(count, singular, plural = `${singular}s`) {
  return `${formatNumber(count)} ${Number(count) === 1 ? singular : plural}`;
}

/** @param {number} share from 0 to 1 @returns {string} in percent, such as "10%" or "0.25%" */
export const formatShare = (share) => PERCENT.format(Number(share) || 0);

/**
 * Return a part of a whole in whole percent. It is neither "0%" for some nor "100%" for not all.
 * @param {number} part
 * @param {number} whole
 */
export function formatPart(part, whole) {
  if (part > 0 && part * 100 < whole) return 'less than 1%';
  if (part < whole && part * 100 > 99 * whole) return 'more than 99%';
  return `${whole ? Math.round((part * 100) / whole) : 0}%`;
}

/** @param {number} bytes @returns {string} in decimal units, as file managers show them */
export function formatBytes(bytes) {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let value = Number(bytes) || 0;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? INTEGER : ONE_DIGIT;
  return `${digits.format(value)} ${units[unit]}`;
}

/** @param {number} seconds @returns {string} such as "80 ms", "1.8 s", "42 s", "3 min 05 s", "1 h 02 min" */
export function formatDuration(seconds) {
  const value = Math.max(0, Number(seconds) || 0);
  if (value < 0.95) return `${Math.max(1, Math.round(value * 1000))} ms`;
  if (value < 9.95) return `${ONE_DIGIT.format(value)} s`;
  const whole = Math.round(value);
  if (whole < MINUTE_S) return `${whole} s`;
  if (whole < HOUR_S) return `${Math.floor(whole / MINUTE_S)} min ${pad(whole % MINUTE_S)} s`;
  return `${Math.floor(whole / HOUR_S)} h ${pad(Math.floor((whole % HOUR_S) / MINUTE_S))} min`;
}

/** @param {number} seconds @returns {string} a clock that only counts whole seconds, such as "0:07" or "1:02:03" */
export function formatClock(seconds) {
  const whole = Math.max(0, Math.floor(Number(seconds) || 0));
  const hours = Math.floor(whole / HOUR_S);
  const minutes = Math.floor((whole % HOUR_S) / MINUTE_S);
  const rest = pad(whole % MINUTE_S);
  return hours ? `${hours}:${pad(minutes)}:${rest}` : `${minutes}:${rest}`;
}

/** @param {number} seconds @returns {string} rounded, because it is an estimate */
export function formatTimeLeft(seconds) {
  if (seconds < 3) return 'a few seconds';
  if (seconds < 20) return `${Math.ceil(seconds)} s`;
  if (seconds < MINUTE_S) return `${Math.ceil(seconds / 5) * 5} s`;
  if (seconds < HOUR_S) return `${Math.ceil(seconds / MINUTE_S)} min`;
  return `${Math.floor(seconds / HOUR_S)} h ${pad(Math.ceil((seconds % HOUR_S) / MINUTE_S) % 60)} min`;
}

/** @param {string|null} iso @returns {number} milliseconds since 1970; NaN for null */
export const parseTime = (iso) => (iso ? Date.parse(iso) : NaN);

/** @param {string|null} iso @returns {string} the full local date and time */
export function formatTime(iso) {
  const time = parseTime(iso);
  return Number.isNaN(time) ? '' : FULL_TIME.format(time);
}

/** @param {string} iso @returns {string} the local time of day, to the second */
export const formatTimeOfDay = (iso) => TIME_TO_THE_SECOND.format(parseTime(iso));

/** @param {string} iso @returns {string} the weekday and the hour, such as "Mon 14:00" */
export const formatHour = (iso) => HOUR_OF_DAY.format(parseTime(iso));

/**
 * Return a past time in words: "just now", "4 minutes ago", "yesterday", and a date after a week.
 * @param {string|null} iso
 * @param {number} [now] milliseconds
 */
export function formatRelative(iso, now = serverNow()) {
  const time = parseTime(iso);
  if (Number.isNaN(time)) return '–';
  const seconds = Math.max(0, (now - time) / 1000);
  if (seconds < 45) return 'just now';
  if (seconds < HOUR_S) return RELATIVE.format(-Math.max(1, Math.round(seconds / MINUTE_S)), 'minute');
  if (seconds < DAY_S) return RELATIVE.format(-Math.round(seconds / HOUR_S), 'hour');
  if (seconds < 7 * DAY_S) return RELATIVE.format(-Math.round(seconds / DAY_S), 'day');
  return SHORT_DATE.format(time);
}

/**
 * Return a future time in words, such as "in 4 minutes". Return "now" if it has passed.
 * @param {string|null} iso
 * @param {number} [now] milliseconds
 */
export function formatAhead(iso, now = serverNow()) {
  const time = parseTime(iso);
  if (Number.isNaN(time)) return '–';
  const seconds = (time - now) / 1000;
  if (seconds < 1) return 'now';
  if (seconds < 90) return RELATIVE.format(Math.round(seconds), 'second');
  if (seconds < 90 * MINUTE_S) return RELATIVE.format(Math.round(seconds / MINUTE_S), 'minute');
  return RELATIVE.format(Math.round(seconds / HOUR_S), 'hour');
}

/**
 * Return a moment near today in words: "today at 14:05", "tomorrow at 09:00", "Thu 3 Dec at 09:00".
 * @param {string|null} iso
 * @param {Date} [now]
 */
export function formatMoment(iso, now = new Date()) {
  const time = parseTime(iso);
  if (Number.isNaN(time)) return '–';
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
  const days = Math.floor((time - midnight) / 1000 / DAY_S);
  const day = { [-1]: 'yesterday', 0: 'today', 1: 'tomorrow' }[days] ?? DAY.format(time);
  return `${day} at ${TIME_OF_DAY.format(time)}`;
}

/** @param {number} value */
const pad = (value) => String(value).padStart(2, '0');

/**
 * @param {string|null} text
 * @param {number} [limit]
 * @returns {string} its first characters on one line; the browser would be slow to lay out a very long text
 */
export const oneLine = (text, limit = 300) => (text ?? '').slice(0, limit).replace(/\s+/g, ' ');
