import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createSelection } from '../../../static/js/core/selection.js';

/** @import { Product } from '../../../static/js/core/types.d.ts' */

/** @param {number} id @returns {Product} */
const product = (id) => ({
  id,
  sku: `S-${id}`,
  name: '',
  description: '',
  active: true,
  created_at: '2026-01-01T00:00:00Z',
  updated_at: '2026-01-01T00:00:00Z',
});
const PAGE = [1, 2, 3, 4, 5].map(product);

test('a range gets the state of the product that it starts at', () => {
  const selection = createSelection(() => {});
  selection.toggle(product(2), PAGE);
  selection.toggle(product(4), PAGE, { range: true });
  assert.deepEqual(selection.ids(), [2, 3, 4]);
  selection.toggle(product(3), PAGE);
  selection.toggle(product(4), PAGE, { range: true });
  assert.deepEqual(selection.ids(), [2]);
});

test('a selection spans pages', () => {
  const selection = createSelection(() => {});
  selection.toggle(product(1), PAGE);
  selection.toggle(product(9), [product(9)]);
  assert.deepEqual(selection.ids(), [1, 9]);
});

test('deselecting one of everything keeps only the page selected', () => {
  const selection = createSelection(() => {});
  selection.selectEverything(1000);
  assert.equal(selection.count(), 1000);
  assert.equal(selection.has(999), true);
  selection.toggle(product(2), PAGE);
  assert.equal(selection.isEverything(), false);
  assert.deepEqual(selection.ids(), [1, 3, 4, 5]);
});

test('every change is reported, and deleted products are forgotten', () => {
  let changes = 0;
  const selection = createSelection(() => {
    changes += 1;
  });
  selection.togglePage(PAGE, true);
  selection.forget([1, 2]);
  assert.equal(selection.count(), 3);
  selection.clear();
  assert.equal(selection.count(), 0);
  assert.equal(changes, 3);
});
