// Where the words of a search are in a text, and the passages of a long text that have them.

/** @typedef {{text: string, isMatch: boolean}} Part */
/** @typedef {{start: number, end: number}} Range `end` is not included. */

/** The browser would be slow to lay out a very long text. */
const SHOWN_CHARACTERS = 300;
/** Words further down in a text are not looked for. */
const SEARCHED_CHARACTERS = 100_000;
/** The part of a line that is shown before a match, and about as much after it. */
const CONTEXT_SHARE = 1 / 6;
const ELLIPSIS = '…';
const SEPARATOR = ` ${ELLIPSIS} `;

/**
 * Split the start of a text at its matches.
 * @param {string} text
 * @param {string[]} words
 * @returns {Part[]}
 */
export function startOf(text, words) {
  const end = Math.min(text.length, SHOWN_CHARACTERS);
  return cut(text, findRanges(text.slice(0, SEARCHED_CHARACTERS), words), { start: 0, end });
}

/**
 * Return the number of matches that have to be visible in the start of a text, so that every word of the text is.
 * Infinity says that the start is too short for it.
 * @param {string} text
 * @param {string[]} words
 */
export function matchesToSee(text, words) {
  const firsts = firstRanges(text, words);
  const last = Math.max(-1, ...firsts.map((range) => range.start));
  if (last < 0) return 0;
  if (firsts.some((range) => range.end > SHOWN_CHARACTERS)) return Infinity;
  return findRanges(text.slice(0, SHOWN_CHARACTERS), words).filter((range) => range.start <= last).length;
}

/**
 * Return the passages around the first match of each word, split at their matches, with ellipses between them.
 * @param {string} text
 * @param {string[]} words
 * @param {number} lineCharacters about how many characters are in view
 * @returns {Part[]}
 */
export function passagesOf(text, words, lineCharacters) {
  const context = Math.round(lineCharacters * CONTEXT_SHARE);
  const searched = text.slice(0, SEARCHED_CHARACTERS);
  const ranges = findRanges(searched, words);
  const passages = merge(
    firstRanges(text, words).map(({ start, end }) => ({
      start: startOfWord(text, start - context, start),
      end: endOfWord(text, end, end + context),
    })),
    SEPARATOR.length,
  );
  const last = passages.at(-1);
  if (last) last.end = Math.max(last.end, Math.min(text.length, last.start + SHOWN_CHARACTERS));
  return passages.flatMap((passage, index) => [
    ...(passage.start > 0 ? [{ text: index ? SEPARATOR : ELLIPSIS, isMatch: false }] : []),
    ...cut(text, ranges, passage),
  ]);
}

/**
 * @param {string} text
 * @param {string[]} words
 * @returns {Range[]} of all matches, ignoring case; matches that overlap or touch are one range
 */
export function findRanges(text, words) {
  const searched = lowerCase(text);
  /** @type {Range[]} */
  const ranges = [];
  for (const word of words.map(lowerCase)) {
    let start = searched.indexOf(word);
    while (start >= 0) {
      ranges.push({ start, end: start + word.length });
      // A word may overlap itself, such as "anna" in "annanna".
      start = searched.indexOf(word, start + 1);
    }
  }
  return merge(ranges);
}

/**
 * @param {string} text
 * @param {string[]} words
 * @returns {Range[]} of the first match of each word that the text has
 */
function firstRanges(text, words) {
  const searched = lowerCase(text.slice(0, SEARCHED_CHARACTERS));
  return words
    .map((word) => ({ start: searched.indexOf(lowerCase(word)), length: word.length }))
    .filter(({ start }) => start >= 0)
    .map(({ start, length }) => ({ start, end: start + length }));
}

/**
 * @param {string} text
 * @returns {string} in lower case, with each character at its place
 */
function lowerCase(text) {
  const lower = text.toLowerCase();
  if (lower.length === text.length) return lower;
  return Array.from(text, (character) => {
    const one = character.toLowerCase();
    return one.length === character.length ? one : character;
  }).join('');
}

/**
 * @param {Range[]} ranges
 * @param {number} [gap] the number of characters between two ranges that become one
 * @returns {Range[]} in order, without overlaps
 */
function merge(ranges, gap = 0) {
  /** @type {Range[]} */
  const merged = [];
  for (const range of ranges.toSorted((one, other) => one.start - other.start)) {
    const last = merged.at(-1);
    if (last && range.start <= last.end + gap) last.end = Math.max(last.end, range.end);
    else merged.push({ ...range });
  }
  return merged;
}

/**
 * @param {string} text
 * @param {Range[]} ranges of all matches
 * @param {Range} passage
 * @returns {Part[]} the passage, split at its matches
 */
function cut(text, ranges, passage) {
  /** @type {Part[]} */
  const parts = [];
  let position = passage.start;
  /** @param {number} end @param {boolean} isMatch */
  const addUntil = (end, isMatch) => {
    if (end > position) parts.push({ text: text.slice(position, end).replace(/\s+/g, ' '), isMatch });
    position = Math.max(position, end);
  };
  for (const { start, end } of ranges) {
    if (end <= passage.start || start >= passage.end) continue;
    addUntil(start, false);
    addUntil(Math.min(end, passage.end), true);
  }
  addUntil(passage.end, false);
  return parts;
}

/**
 * @param {string} text
 * @param {number} from
 * @param {number} to
 * @returns {number} the first place from `from` where a word starts, or `from` in a text without spaces
 */
function startOfWord(text, from, to) {
  if (from <= 0) return 0;
  const space = text.slice(from, to).search(/\s/);
  return space < 0 ? startOfCharacter(text, from) : from + space + 1;
}

/**
 * @param {string} text
 * @param {number} from
 * @param {number} to
 * @returns {number} the last place until `to` where a word ends, or `to` in a text without spaces
 */
function endOfWord(text, from, to) {
  if (to >= text.length) return text.length;
  const length = text.slice(from, to).search(/\s\S*$/);
  return length < 0 ? startOfCharacter(text, to) : from + length;
}

/**
 * @param {string} text
 * @param {number} index
 * @returns {number} the index, or the one before it if it is within a surrogate pair
 */
const startOfCharacter = (text, index) => (/[\udc00-\udfff]/.test(text[index] ?? '') ? index - 1 : index);
