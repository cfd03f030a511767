// When an API key expires, in words.

import { parseTime } from '../core/format.js';
import { t } from '../core/i18n.js';

const DAY_MS = 86_400_000;

/**
 * Return when a key expires, in words.
 * @param {string} iso
 * @param {number} [now] milliseconds
 */
export function daysLeft(iso, now = Date.now()) {
  const days = (parseTime(iso) - now) / DAY_MS;
  if (days < 1) return t('access.key.within_a_day');
  return t('access.key.in_days', { count: Math.round(days) });
}
