// The words and quoted texts of a search. The rules are those of catalogue/search_terms.py. The examples in
// tests/search-terms.json test both.

/** @import { TextField } from './edit-conflict.js' */
/** @import { Filters } from './query.js' */

/** @typedef {{text: string, excluded: boolean}} Term */
/** @typedef {Record<TextField, string[]>} FieldWords The texts to highlight in each field */

// White_Space has the characters that separate words on the server; `\s` has others.
const QUERY_TERM = /(?<minus>-?)"(?<quoted>[^"]*)"?|(?<word>\P{White_Space}+)/gu;
const FIELD_TERM = /"(?<quoted>[^"]*)"?|(?<word>\P{White_Space}+)/gu;
const HYPHENS = /^-+$/;
// Those that the server removes from SKUs (database/skus.py).
const INVISIBLE = /[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]+/g;

/** @type {FieldWords} */
export const NO_WORDS = { sku: [], name: [], description: [] };

/**
 * @param {string} text of the search box
 * @returns {Term[]}
 */
export function parseQuery(text) {
  const terms = Array.from(text.matchAll(QUERY_TERM), ({ groups: { minus, quoted, word = '' } = {} }) => {
    if (quoted !== undefined) return { text: quoted, excluded: minus === '-' };
    if (HYPHENS.test(word)) return { text: '', excluded: false };
    return word.startsWith('-') ? { text: word.slice(1), excluded: true } : { text: word, excluded: false };
  });
  return withoutEmpty(terms, text);
}

/**
 * @param {string} text of the filter of a single field, where a minus is plain
 * @returns {Term[]}
 */
export function parseField(text) {
  const terms = Array.from(text.matchAll(FIELD_TERM), ({ groups: { quoted, word = '' } = {} }) => ({
    text: quoted ?? word,
    excluded: false,
  }));
  return withoutEmpty(terms, text);
}

/**
 * @param {Term[]} terms
 * @param {string} text
 * @returns {Term[]} different terms
 */
function withoutEmpty(terms, text) {
  const found = new Map(
    terms.filter((term) => term.text).map((term) => [JSON.stringify([term.text, term.excluded]), term]),
  );
  if (!found.size && text) return [{ text, excluded: false }];
  return [...found.values()];
}

/**
 * Return the texts that made products match.
 * @param {Filters} filters
 * @returns {FieldWords}
 */
export function wordsOf(filters) {
  const everywhere = parseQuery(filters.q ?? '')
    .filter((term) => !term.excluded)
    .map((term) => term.text);
  /** @param {TextField} field */
  const words = (field) => [...everywhere, ...parseField(filters[field] ?? '').map((term) => term.text)];
  const skuWords = words('sku').map((word) => word.replace(INVISIBLE, '').normalize('NFC'));
  return { sku: skuWords.filter(Boolean), name: words('name'), description: words('description') };
}
