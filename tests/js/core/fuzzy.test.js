import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fuzzyMatch } from '../../../static/js/core/fuzzy.js';

/**
 * Return the texts that match, the best one first.
 * @param {string} query
 * @param {string[]} texts
 */
function rank(query, texts) {
  return texts
    .flatMap((text) => ({ text, score: fuzzyMatch(query, text)?.score ?? -Infinity }))
    .filter(({ score }) => score > -Infinity)
    .sort((one, other) => other.score - one.score)
    .map(({ text }) => text);
}

test('the letters of a word are found in their order', () => {
  assert.deepEqual(fuzzyMatch('np', 'New product')?.found, [0, 4]);
  assert.equal(fuzzyMatch('pn', 'New product'), null);
  assert.equal(fuzzyMatch('newx', 'New product'), null);
});

test('each word of a query must match, in any order', () => {
  assert.deepEqual(fuzzyMatch('prod new', 'New product')?.found, [0, 1, 2, 4, 5, 6, 7]);
  assert.equal(fuzzyMatch('new import', 'New product'), null);
});

test('beginnings of words and letters in a row come first', () => {
  assert.deepEqual(rank('exp', ['Example purchase', 'Export as CSV', 'Re-export']), [
    'Export as CSV',
    'Re-export',
    'Example purchase',
  ]);
  assert.equal(rank('delete', ['Delete all products', 'Undelete'])[0], 'Delete all products');
  assert.deepEqual(fuzzyMatch('pro', 'Stop the product')?.found, [9, 10, 11]);
});

test('letters that are scattered through a text are no match', () => {
  assert.equal(fuzzyMatch('tie', 'Set the name of the products, please'), null);
});

test('upper case and accents do not count', () => {
  assert.deepEqual(fuzzyMatch('ANDERN', 'Ändern')?.found, [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(fuzzyMatch('fé', 'Cafe')?.found, [2, 3]);
});

test('odd texts do no harm', () => {
  assert.deepEqual(fuzzyMatch('', 'anything')?.found, []);
  assert.deepEqual(fuzzyMatch('  ', '')?.found, []);
  assert.equal(fuzzyMatch('a', ''), null);
  assert.equal(fuzzyMatch('.*+?[', 'Regular'), null);
  assert.deepEqual(fuzzyMatch('🧦', 'A 🧦 sock')?.found, [2, 3]);
  assert.equal(fuzzyMatch('x'.repeat(200), 'x'), null);
});
