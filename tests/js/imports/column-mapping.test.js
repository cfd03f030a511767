import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describeBlankCells, describeLeftOut, findMappingProblem } from '../../../static/js/imports/column-mapping.js';

/** @import { Choice } from '../../../static/js/imports/column-mapping.js' */

/** @param {...[name: string, choice: Choice]} columns */
const problemOf = (...columns) => findMappingProblem(columns.map(([name, choice]) => ({ column: { name }, choice })));

/** @param {...string} names */
const leftOut = (...names) => describeLeftOut(names.map((name) => ({ name })));

test('a mapping is valid with one column for the SKU', () => {
  assert.equal(problemOf(['Artikelnummer', 'sku'], ['Preis', ''], ['Gewicht', '']), '');
});

test('a mapping without a SKU is invalid', () => {
  assert.match(problemOf(['Titel', 'name']), /^Choose the column that holds the SKU/);
});

test('two columns for one field are invalid', () => {
  assert.equal(
    problemOf(['No', 'sku'], ['Titel', 'name'], ['Preis', 'name']),
    '“Titel” and “Preis” cannot both be the Name. Leave one of them out.',
  );
});

test('columns that are left out are named, up to a limit', () => {
  assert.equal(leftOut(), 'Every column is imported.');
  assert.equal(leftOut('Preis', ''), 'Not imported: Preis, (no name).');
  const names = Array.from({ length: 12 }, (_, index) => `c${index + 1}`);
  assert.equal(leftOut(...names.slice(0, 9)), 'Not imported: c1, c2, c3, c4, c5, c6, c7, c8, c9.');
  assert.equal(leftOut(...names), 'Not imported: c1, c2, c3, c4, c5, c6, c7, c8 and 4 more.');
});

test('the effect of a blank cell is stated for the columns that are imported', () => {
  assert.equal(describeBlankCells([{ column: { name: 'Nr.' }, choice: 'sku' }]), '');
  assert.equal(
    describeBlankCells([
      { column: { name: 'Titel' }, choice: 'name' },
      { column: { name: 'Text' }, choice: 'description' },
      { column: { name: 'Aktiv' }, choice: 'active' },
      { column: { name: 'Preis' }, choice: '' },
    ]),
    'A blank cell in “Titel” or “Text” makes that field of the product empty. ' +
      'A blank cell in “Aktiv” leaves the product as it is.',
  );
});

test('nothing is called imported while the mapping is invalid', () => {
  assert.equal(describeLeftOut([], true), '');
  assert.equal(describeLeftOut([{ name: 'Preis' }], true), 'Not imported: Preis.');
});
