import assert from 'node:assert/strict';
import { test } from 'node:test';

import { changedByOthers } from '../../../static/js/products/page-diff.js';

const NOTHING = { ids: new Set(), total: 0 };

/** @param {...[id: number, version?: string]} rows */
const products = (...rows) => rows.map(([id, version = '1']) => ({ id, updated_at: version }));

test('an equal page has no change', () => {
  const page = { products: products([1], [2]), total: 2 };
  assert.equal(changedByOthers(page, page, NOTHING), false);
});

test('a newer version of a shown product is a change', () => {
  const shown = { products: products([1, '1'], [2, '1']), total: 2 };
  const fetched = { products: products([1, '1'], [2, '2']), total: 2 };
  assert.equal(changedByOthers(shown, fetched, NOTHING), true);
});

test('an older version, from a response that overtook another, is no change', () => {
  const shown = { products: products([1, '2']), total: 1 };
  const fetched = { products: products([1, '1']), total: 1 };
  assert.equal(changedByOthers(shown, fetched, NOTHING), false);
});

test('another total is a change unless this page made it', () => {
  const shown = { products: products([1], [2]), total: 10 };
  const fetched = { products: products([1], [2]), total: 11 };
  assert.equal(changedByOthers(shown, fetched, NOTHING), true);
  assert.equal(changedByOthers(shown, fetched, { ids: new Set([99]), total: 1 }), false);
});

test('an estimated total is not compared', () => {
  const shown = { products: products([1]), total: null };
  const fetched = { products: products([1]), total: 7 };
  assert.equal(changedByOthers(shown, fetched, NOTHING), false);
});

test('own changes may move rows over the edges of a page', () => {
  const shown = { products: products([1], [2], [3]), total: 9 };
  const fetched = { products: products([2], [3], [4]), total: 8 };
  assert.equal(changedByOthers(shown, fetched, { ids: new Set([1]), total: -1 }), false);
});

test('own changes never remove a row from the middle of a page', () => {
  const shown = { products: products([1], [2], [3], [4]), total: 9 };
  const fetched = { products: products([2], [4], [5]), total: 8 };
  assert.equal(changedByOthers(shown, fetched, { ids: new Set([1]), total: -1 }), true);
});
