// Finds commands by a few of their letters, and says which letters were found.

/** @typedef {{score: number, found: number[]}} Match `found` are the indexes of the letters, in their order. */

const TEXT_START = 2;
const WORD_START = 8;
const IN_A_ROW = 9;
const LETTER = 1;
const GAP = -0.3;
const MAX_GAP = -3;
/** A match of scattered letters is no match. */
const LEAST_PER_LETTER = 2.5;

/**
 * Match the words of a query: each has its letters in the text, in their order. Upper case and accents do not count.
 * @param {string} query
 * @param {string} text
 * @returns {Match | null} null if a word is not in the text; a higher score is a better match
 */
export function fuzzyMatch(query, text) {
  const letters = foldLetters(text);
  const words = query.trim().split(/\s+/).filter(Boolean);
  let score = 0;
  /** @type {Set<number>} */
  const found = new Set();
  for (const word of words) {
    const match = matchWord(foldLetters(word), letters);
    if (!match) return null;
    score += match.score;
    match.found.forEach((index) => found.add(index));
  }
  return { score: score - letters.length * 0.05, found: [...found].sort((one, other) => one - other) };
}

/**
 * Return the letters in lower case and without accents. Each stays in its place.
 * @param {string} text
 */
function foldLetters(text) {
  return Array.from({ length: text.length }, (_, index) => {
    const letter = text.charAt(index);
    return (letter.normalize('NFD').charAt(0) || letter).toLowerCase().charAt(0);
  });
}

/** @typedef {{score: number, found: number[]} | undefined} Place the best match that ends at a letter of the text */

/**
 * Find the best places of the letters of a word. Each letter continues the best match of the letters before it.
 * @param {string[]} word
 * @param {string[]} text
 * @returns {Match | null}
 */
function matchWord(word, text) {
  /** @type {Place[]} */
  let places = [];
  word.forEach((letter, row) => {
    places = text.map((other, column) => (letter === other ? placeOf(row, column, places, text) : undefined));
  });
  /** @type {Match | null} */
  let best = null;
  for (const place of places) if (place && place.score > (best?.score ?? -Infinity)) best = place;
  return best && best.score / word.length >= LEAST_PER_LETTER ? best : null;
}

/**
 * @param {number} row index of the letter in the word
 * @param {number} column index of the letter in the text
 * @param {Place[]} before where the letters before it can end
 * @param {string[]} text
 * @returns {Place}
 */
function placeOf(row, column, before, text) {
  const own = LETTER + (isWordStart(text, column) ? WORD_START : 0) + (column ? 0 : TEXT_START);
  if (row === 0) return { score: own, found: [column] };
  /** @type {Place} */
  let best;
  before.slice(0, column).forEach((earlier, index) => {
    const gap = column - index - 1;
    const score = (earlier?.score ?? -Infinity) + own + (gap ? Math.max(MAX_GAP, GAP * gap) : IN_A_ROW);
    if (earlier && score > (best?.score ?? -Infinity)) best = { score, found: [...earlier.found, column] };
  });
  return best;
}

/**
 * @param {string[]} text
 * @param {number} index
 */
const isWordStart = (text, index) => index === 0 || !/[\p{L}\p{N}]/u.test(text[index - 1] ?? '');
