// Formats of numbers, sizes and times for people.

import { t } from './i18n.js';
import { HOUR_CYCLE, LANGUAGE, LOCALE } from './locale.js';
import { serverNow } from './server-clock.js';

const INTEGER = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const ONE_DIGIT = new Intl.NumberFormat(LOCALE, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const PERCENT = new Intl.NumberFormat(LOCALE, { style: 'percent', maximumFractionDigits: 4 });
const FULL_TIME = new Intl.DateTimeFormat(LOCALE, {
  dateStyle: 'medium',
  timeStyle: 'medium',
  hourCycle: HOUR_CYCLE,
});
const HOUR_OF_DAY = new Intl.DateTimeFormat(LOCALE, {
  weekday: 'short',
  hour: 'numeric',
  minute: '2-digit',
  hourCycle: HOUR_CYCLE,
});
const TIME_TO_THE_SECOND = new Intl.DateTimeFormat(LOCALE, { timeStyle: 'medium', hourCycle: HOUR_CYCLE });
const TIME_OF_DAY = new Intl.DateTimeFormat(LOCALE, { hour: 'numeric', minute: '2-digit', hourCycle: HOUR_CYCLE });
const DAY = new Intl.DateTimeFormat(LOCALE, { weekday: 'short', day: 'numeric', month: 'short' });
const SHORT_DATE = new Intl.DateTimeFormat(LOCALE, { day: 'numeric', month: 'short', year: 'numeric' });
const RELATIVE = new Intl.RelativeTimeFormat(LOCALE, { numeric: 'auto' });
const WHOLE_PERCENT = new Intl.NumberFormat(LOCALE, { style: 'percent', maximumFractionDigits: 0 });
const COMPACT = new Intl.NumberFormat(LOCALE, { notation: 'compact', maximumFractionDigits: 1 });
const TWO_DIGITS = new Intl.NumberFormat(LOCALE, { minimumIntegerDigits: 2 });
const LIST = new Intl.ListFormat(LOCALE, { type: 'unit', style: 'short' });
// The English texts have no comma before the last item.
const SENTENCE_LOCALE = LANGUAGE === 'en' ? 'en-GB' : LOCALE;
const CONJUNCTION = new Intl.ListFormat(SENTENCE_LOCALE, { type: 'conjunction' });
const DISJUNCTION = new Intl.ListFormat(SENTENCE_LOCALE, { type: 'disjunction' });

/** @type {[whole: Intl.NumberFormat, oneDigit: Intl.NumberFormat][]} */
const SIZES = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'].map((unit) => [
  sizeFormat(unit, 0),
  sizeFormat(unit, 1),
]);

const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;

/**
 * @param {string} unit
 * @param {number} digits
 */
function sizeFormat(unit, digits) {
  return new Intl.NumberFormat(LOCALE, {
    style: 'unit',
    unit,
    // The short form of bytes has no plural.
    unitDisplay: unit === 'byte' ? 'long' : 'short',
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

/** @param {number} value @returns {string} with thousands separators */
export const formatNumber = (value) => INTEGER.format(Number(value) || 0);

/** @param {number} share from 0 to 1 @returns {string} in percent, such as "10%" or "0.25%" */
export const formatShare = (share) => PERCENT.format(Number(share) || 0);

/**
 * Return a part of a whole in whole percent. It is neither "0%" for some nor "100%" for not all.
 * @param {number} part
 * @param {number} whole
 */
export function formatPart(part, whole) {
  if (part > 0 && part * 100 < whole) return t('core.format.less_than', { share: WHOLE_PERCENT.format(0.01) });
  if (part < whole && part * 100 > 99 * whole) return t('core.format.more_than', { share: WHOLE_PERCENT.format(0.99) });
  return WHOLE_PERCENT.format(whole ? part / whole : 0);
}

/** @param {number} value @returns {string} short, for an axis, such as "20K" */
export const formatCompact = (value) => COMPACT.format(value);

/** @param {Iterable<string>} items @returns {string} such as "a, b, c" */
export const formatList = (items) => LIST.format(items);

/** @param {Iterable<string>} items @returns {string} such as "a, b and c" */
export const formatAnd = (items) => CONJUNCTION.format(items);

/** @param {Iterable<string>} items @returns {string} such as "a, b or c" */
export const formatOr = (items) => DISJUNCTION.format(items);

/** @param {number} bytes @returns {string} in decimal units, as file managers show them */
export function formatBytes(bytes) {
  let value = Number(bytes) || 0;
  let unit = 0;
  while (value >= 999.5 && unit < SIZES.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return SIZES[unit]?.[digits].format(value) ?? '';
}

/** @param {number} seconds @returns {string} such as "80 ms", "1.8 s", "42 s", "3 min 05 s", "1 h 02 min" */
export function formatDuration(seconds) {
  const value = Math.max(0, Number(seconds) || 0);
  if (value < 0.95) return t('core.format.milliseconds', { count: Math.max(1, Math.round(value * 1000)) });
  if (value < 9.95) return inSeconds(ONE_DIGIT.format(value));
  const whole = Math.round(value);
  if (whole < MINUTE_S) return inSeconds(whole);
  if (whole < HOUR_S) return minutesAndSeconds(whole);
  return hoursAndMinutes(Math.floor(whole / HOUR_S), Math.floor((whole % HOUR_S) / MINUTE_S));
}

/** @param {string | number} count */
const inSeconds = (count) => t('core.format.seconds', { count });

/** @param {number} seconds */
function minutesAndSeconds(seconds) {
  const minutes = Math.floor(seconds / MINUTE_S);
  return t('core.format.minutes_and_seconds', { minutes, seconds: pad(seconds % MINUTE_S) });
}

/**
 * @param {number} hours
 * @param {number} minutes
 */
const hoursAndMinutes = (hours, minutes) =>
  t('core.format.hours_and_minutes', { hours: formatNumber(hours), minutes: pad(minutes) });

/** @param {number} seconds @returns {string} a clock that only counts whole seconds, such as "0:07" or "1:02:03" */
export function formatClock(seconds) {
  const whole = Math.max(0, Math.floor(Number(seconds) || 0));
  const hours = Math.floor(whole / HOUR_S);
  const minutes = Math.floor((whole % HOUR_S) / MINUTE_S);
  const rest = pad(whole % MINUTE_S);
  return hours
    ? t('core.format.clock_hours', { hours, minutes: pad(minutes), seconds: rest })
    : t('core.format.clock_minutes', { minutes, seconds: rest });
}

/** @param {number} seconds @returns {string} rounded, because it is an estimate */
export function formatTimeLeft(seconds) {
  if (seconds < 3) return t('core.format.a_few_seconds');
  if (seconds < 20) return inSeconds(Math.ceil(seconds));
  if (seconds < MINUTE_S) return inSeconds(Math.ceil(seconds / 5) * 5);
  if (seconds < HOUR_S) return t('core.format.minutes', { count: Math.ceil(seconds / MINUTE_S) });
  return hoursAndMinutes(Math.floor(seconds / HOUR_S), Math.ceil((seconds % HOUR_S) / MINUTE_S) % 60);
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
  if (seconds < 45) return t('core.format.just_now');
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
  if (seconds < 1) return t('core.format.now');
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
  const timeOfDay = TIME_OF_DAY.format(time);
  if (days === -1) return t('core.format.yesterday', { time: timeOfDay });
  if (days === 0) return t('core.format.today', { time: timeOfDay });
  if (days === 1) return t('core.format.tomorrow', { time: timeOfDay });
  return t('core.format.day', { day: DAY.format(time), time: timeOfDay });
}

/** @param {number} value */
const pad = (value) => TWO_DIGITS.format(value);

/**
 * @param {string|null} text
 * @param {number} [limit]
 * @returns {string} its first characters on one line; the browser would be slow to lay out a very long text
 */
export const oneLine = (text, limit = 300) => (text ?? '').slice(0, limit).replace(/\s+/g, ' ');
