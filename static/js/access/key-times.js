// When an API key expires, in words.

import { formatCount, parseTime } from '../core/format.js';

const DAY_MS = 86_400_000;

/**
 * Return when a key expires, in words.
 * @param {string} iso
 * @param {number} [now] milliseconds
 */
export function daysLeft(iso, now = Date.now()) {
  const days = (parseTime(iso) - now) / DAY_MS;
  if (days < 1) return 'within a day';
  return `in ${formatCount(Math.round(days), 'day')}`;
}
