// The rules of new passwords as far as the page can check them. The server knows the most common ones as well.

import { formatCount } from '../core/format.js';

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
  if (!count) return bad(`At least ${MIN_CHARACTERS} characters. Several words make a good password.`);
  if (count < MIN_CHARACTERS) return bad(`${formatCount(MIN_CHARACTERS - count, 'more character')} needed.`);
  if (count > MAX_CHARACTERS) return bad(`At most ${MAX_CHARACTERS} characters; this has ${count}.`);
  const folded = password.trim().toLowerCase();
  if (knownTexts.some((text) => text.trim().toLowerCase() === folded)) {
    return bad('It must not be the name or the email address.');
  }
  if (new Set(folded).size < MIN_DIFFERENT_CHARACTERS) return bad('Use more different characters.');
  return { text: 'Long enough.', isGood: true };
}

/** @param {string} text @returns {PasswordHint} */
const bad = (text) => ({ text, isGood: false });
