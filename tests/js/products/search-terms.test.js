import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { parseField, parseQuery, wordsOf } from '../../../static/js/products/search-terms.js';

/** @import { Term } from '../../../static/js/products/search-terms.js' */

/** @type {Record<'query' | 'field', {text: string, terms: string[]}[]>} */
const EXAMPLES = JSON.parse(readFileSync(new URL('../../search-terms.json', import.meta.url), 'utf8'));

/**
 * @param {string} text a minus before it excludes it, and a plus protects a minus that is part of it
 * @returns {Term}
 */
const readTerm = (text) => ({ text: text.replace(/^[-+]/, ''), excluded: text.startsWith('-') });

test('a search has the terms that the server finds in it', () => {
  for (const [kind, parse] of /** @type {const} */ ([
    ['query', parseQuery],
    ['field', parseField],
  ])) {
    for (const { text, terms } of EXAMPLES[kind]) assert.deepEqual(parse(text), terms.map(readTerm), text);
  }
});

test('the words of the search are highlighted in every field, those of a filter in its own', () => {
  const filters = { q: 'lamp -wood "dark blue"', name: 'oak -x', active: 'true' };
  const everywhere = ['lamp', 'dark blue'];
  assert.deepEqual(wordsOf(filters), {
    sku: everywhere,
    name: [...everywhere, 'oak', '-x'],
    description: everywhere,
  });
  assert.deepEqual(wordsOf({}), { sku: [], name: [], description: [] });
});

test('words for SKUs are cleaned like SKUs', () => {
  assert.deepEqual(wordsOf({ q: 'a\u200bb e\u0301 \u200b' }).sku, ['ab', '\u00e9']);
});
