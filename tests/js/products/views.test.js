import assert from 'node:assert/strict';
import { test } from 'node:test';

import { cleanColumns, isSameLayout, withColumn } from '../../../static/js/products/layout.js';
import { isChanged, readViewId, stateOf, viewAddress } from '../../../static/js/products/view-query.js';

/** @import { SavedView } from '../../../static/js/core/types.d.ts' */

const ALL = { columns: null, widths: {} };

/** @type {SavedView} */
const VIEW = {
  id: 7,
  name: 'Lamps',
  shared: true,
  filter: { q: 'lamp "a b"', active: false },
  problem: null,
  sort_by: 'updated_at',
  sort_order: 'desc',
  columns: ['sku', 'active'],
  widths: { sku: 200 },
  created_by: 'Ada',
  created_at: '',
  updated_at: '',
};
const query = () => new URLSearchParams(viewAddress(VIEW).split('?')[1]);

test('the address of a view has its filters and its order', () => {
  assert.equal(viewAddress(VIEW), '#/products?view=7&q=lamp+%22a+b%22&active=false&sort_by=updated_at&sort_order=desc');
  assert.equal(viewAddress({ ...VIEW, filter: {}, sort_by: 'id', sort_order: 'asc' }), '#/products?view=7');
  assert.equal(
    viewAddress({ ...VIEW, filter: {}, sort_by: 'id', sort_order: 'desc' }),
    '#/products?view=7&sort_by=id&sort_order=desc',
  );
});

test('a list that shows a view is that view, until something differs', () => {
  const layout = { columns: VIEW.columns, widths: { sku: 200 } };
  assert.equal(isChanged(VIEW, query(), layout), false);
  for (const [name, value] of [
    ['q', 'sofa'],
    ['active', 'true'],
    ['sort_by', 'sku'],
    ['sort_order', 'asc'],
  ]) {
    const other = query();
    other.set(name ?? '', value ?? '');
    assert.equal(isChanged(VIEW, other, layout), true, name);
  }
  // The page of a list and the number of its rows belong to no view.
  const later = query();
  later.set('page', '2');
  later.set('per_page', '100');
  assert.equal(isChanged(VIEW, later, layout), false);
  assert.equal(isChanged(VIEW, query(), ALL), true);
  assert.equal(isChanged(VIEW, query(), { ...layout, widths: { sku: 201 } }), true);
});

test('the default order in the address is no change', () => {
  const plain = { ...VIEW, sort_by: /** @type {const} */ ('id'), sort_order: /** @type {const} */ ('asc') };
  const layout = { columns: VIEW.columns, widths: VIEW.widths };
  const explicit = new URLSearchParams({ view: '7', q: 'lamp "a b"', active: 'false', sort_by: 'id' });
  assert.equal(isChanged(plain, explicit, layout), false);
});

test('a view keeps the filters, the order and the layout', () => {
  assert.deepEqual(stateOf(query(), { columns: VIEW.columns, widths: {} }), {
    filter: VIEW.filter,
    sort_by: 'updated_at',
    sort_order: 'desc',
    columns: VIEW.columns,
    widths: {},
  });
  assert.deepEqual(stateOf(new URLSearchParams(), ALL), {
    filter: {},
    sort_by: 'id',
    sort_order: 'asc',
    columns: null,
    widths: {},
  });
});

test('only a positive whole number names a view', () => {
  assert.deepEqual(['7', '0', '-1', '1.5', 'x', '', null, '9'.repeat(30)].map(readViewId), [
    7,
    ...Array.from({ length: 7 }, () => null),
  ]);
});

test('columns stay in their order, and SKUs are always shown', () => {
  assert.deepEqual(cleanColumns(['active', 'name', 'price']), ['sku', 'name', 'active']);
  assert.equal(cleanColumns(['sku', 'name', 'description', 'active', 'updated_at']), null);
  assert.equal(cleanColumns('sku'), null);
  const hidden = withColumn(ALL, 'name', false);
  assert.deepEqual(hidden.columns, ['sku', 'description', 'active', 'updated_at']);
  assert.equal(withColumn(hidden, 'name', true).columns, null);
  assert.deepEqual(withColumn(hidden, 'sku', false), hidden);
});

test('layouts with the same widths are the same, whatever their order', () => {
  assert.equal(
    isSameLayout({ columns: null, widths: { sku: 90, name: 80 } }, { columns: null, widths: { name: 80, sku: 90 } }),
    true,
  );
  assert.equal(isSameLayout(ALL, { columns: ['sku'], widths: {} }), false);
});
