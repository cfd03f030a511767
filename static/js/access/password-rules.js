// The rules of new passwords as far as the page can check them. The server knows the most common ones as well.

import { t } from '../core/i18n.js';

const MIN_CHARACTERS = 12;
const MAX_CHARACTERS = 200;
const MIN_DIFFERENT_CHARACTERS = 5;

/** @typedef {{text: string, isGood: boolean}} PasswordHint */

/**
 * Return what to say about a new password while someone types it.
 * @param {string} password
 * @param {string[]} [knownTexts] texts that others know of the person, such as the email address
 * @returns {PasswordHint}
 */
export function hintFor(password, knownTexts = []) {
  // The server counts code points, too.
  const count = [...password].length;
  if (!count) return bad(t('access.password.rule', { count: MIN_CHARACTERS }));
  if (count < MIN_CHARACTERS) return bad(t('access.password.more', { count: MIN_CHARACTERS - count }));
  if (count > MAX_CHARACTERS) return bad(t('access.password.too_long', { limit: MAX_CHARACTERS, count }));
  const folded = password.trim().toLowerCase();
  if (knownTexts.some((text) => text.trim().toLowerCase() === folded)) {
    return bad(t('access.password.known'));
  }
  if (new Set(folded).size < MIN_DIFFERENT_CHARACTERS) return bad(t('access.password.varied'));
  return { text: t('access.password.good'), isGood: true };
}

/** @param {string} text @returns {PasswordHint} */
const bad = (text) => ({ text, isGood: false });
