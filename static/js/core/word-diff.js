// A diff of two texts, word by word.

const MAX_WORDS = 300;
/** Characters that are kept beside a change when unchanged text is shortened. */
const CONTEXT_CHARACTERS = 40;

/** @typedef {{kind: 'same' | 'old' | 'new', text: string}} DiffPart */

/**
 * Compare two texts.
 *
 * Texts of more than `MAX_WORDS` words are not compared, because the work grows with the product of both lengths. They
 * are shown as completely changed.
 * @param {string} before
 * @param {string} after
 * @returns {DiffPart[]} in reading order; long unchanged parts are shortened
 */
export function diffWords(before, after) {
  if (before === after) return [{ kind: 'same', text: after }];
  const oldWords = splitWords(before);
  const newWords = splitWords(after);
  if (oldWords.length > MAX_WORDS || newWords.length > MAX_WORDS) {
    return joinParts([
      { kind: 'old', text: before },
      { kind: 'new', text: after },
    ]);
  }
  return shortenUnchanged(joinParts(alignWords(oldWords, newWords)));
}

/**
 * Split a text into words, runs of whitespace and single other characters.
 * @param {string} text
 * @returns {string[]}
 */
const splitWords = (text) => text.match(/\s+|[\p{L}\p{N}]+|[^\s\p{L}\p{N}]/gu) ?? [];

/**
 * Align two lists of words along their longest common subsequence.
 * @param {string[]} oldWords
 * @param {string[]} newWords
 * @returns {DiffPart[]} one part for each word
 */
function alignWords(oldWords, newWords) {
  const lengths = commonLengths(oldWords, newWords);
  /** @type {DiffPart[]} */
  const parts = [];
  let i = 0;
  let j = 0;
  for (;;) {
    const oldWord = oldWords[i];
    const newWord = newWords[j];
    if (oldWord !== undefined && oldWord === newWord) {
      parts.push({ kind: 'same', text: oldWord });
      i += 1;
      j += 1;
    } else if (oldWord !== undefined && (newWord === undefined || lengths(i + 1, j) >= lengths(i, j + 1))) {
      parts.push({ kind: 'old', text: oldWord });
      i += 1;
    } else if (newWord !== undefined) {
      parts.push({ kind: 'new', text: newWord });
      j += 1;
    } else {
      return parts;
    }
  }
}

/**
 * Compute the lengths of the longest common subsequences of all suffixes.
 * @param {string[]} oldWords
 * @param {string[]} newWords
 * @returns {(i: number, j: number) => number} the length for the words from `oldWords[i]` and `newWords[j]` on
 */
function commonLengths(oldWords, newWords) {
  const width = newWords.length + 1;
  const table = new Uint16Array((oldWords.length + 1) * width);
  /**
   * @param {number} i
   * @param {number} j
   */
  const lengthAt = (i, j) => table[i * width + j] ?? 0;
  for (let i = oldWords.length - 1; i >= 0; i -= 1) {
    for (let j = newWords.length - 1; j >= 0; j -= 1) {
      table[i * width + j] =
        oldWords[i] === newWords[j] ? lengthAt(i + 1, j + 1) + 1 : Math.max(lengthAt(i + 1, j), lengthAt(i, j + 1));
    }
  }
  return lengthAt;
}

/**
 * Join adjacent words of one kind. Whitespace between two changed words becomes part of both sides of the change. Each
 * change has at most one old and one new part, the old one first.
 * @param {DiffPart[]} words
 * @returns {DiffPart[]}
 */
function joinParts(words) {
  /** @type {DiffPart[]} */
  const joined = [];
  /**
   * @param {DiffPart['kind']} kind
   * @param {string} text
   */
  const add = (kind, text) => {
    const lastSame = joined.findLastIndex((part) => part.kind === 'same');
    const target = kind === 'same' ? joined.at(-1) : joined.slice(lastSame + 1).find((part) => part.kind === kind);
    if (target?.kind === kind) target.text += text;
    else if (kind === 'old') joined.splice(lastSame + 1, 0, { kind, text });
    else joined.push({ kind, text });
  };
  words.forEach(({ kind, text }, index) => {
    const before = words[index - 1];
    const after = words[index + 1];
    const isBetweenChanges = before && before.kind !== 'same' && after && after.kind !== 'same';
    if (kind === 'same' && /^\s+$/.test(text) && isBetweenChanges) {
      add('old', text);
      add('new', text);
    } else {
      add(kind, text);
    }
  });
  return joined.filter((part) => part.text);
}

/**
 * Shorten long unchanged parts to the text beside a change.
 * @param {DiffPart[]} parts
 * @returns {DiffPart[]}
 */
function shortenUnchanged(parts) {
  const last = parts.length - 1;
  return parts.map((part, index) => {
    if (part.kind !== 'same' || part.text.length <= 2 * CONTEXT_CHARACTERS) return part;
    const start = index === 0 ? '' : part.text.slice(0, CONTEXT_CHARACTERS);
    const end = index === last ? '' : part.text.slice(-CONTEXT_CHARACTERS);
    return { kind: 'same', text: `${start}…${end}` };
  });
}
