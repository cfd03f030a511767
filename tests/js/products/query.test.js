import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  exportAddress,
  filterBody,
  filterKey,
  filtersOf,
  listParameters,
  pageQuery,
  sortOf,
} from '../../../static/js/products/query.js';

/** @param {string} text */
const query = (text) => new URLSearchParams(text);

test('filters are trimmed, and empty or unknown ones are left out', () => {
  assert.deepEqual(filtersOf(query('q=+lamp+&sku=&name=Desk&colour=red')), { q: 'lamp', name: 'Desk' });
});

test('only true and false are a status', () => {
  assert.deepEqual(filtersOf(query('active=false')), { active: 'false' });
  assert.deepEqual(filtersOf(query('active=maybe')), {});
});

test('the body of a bulk change has the status as a boolean', () => {
  assert.deepEqual(filterBody({ name: 'lamp', active: 'false' }), { name: 'lamp', active: false });
  assert.deepEqual(filterBody({ name: 'lamp' }), { name: 'lamp' });
});

test('an unknown sort column means the default order', () => {
  assert.deepEqual(sortOf(query('sort_by=name&sort_order=desc')), { by: 'name', order: 'desc' });
  assert.deepEqual(sortOf(query('sort_by=name&sort_order=up')), { by: 'name', order: 'asc' });
  assert.equal(sortOf(query('sort_by=price')), null);
});

test('a page token takes the place of the page number', () => {
  assert.deepEqual(listParameters(query('page=3')), {
    sort_by: undefined,
    sort_order: undefined,
    per_page: 50,
    page: 3,
  });
  assert.equal('page' in listParameters(query('page=3&after=abc')), false);
  assert.equal(listParameters(query('page=3&after=abc')).after, 'abc');
});

test('unusable numbers become usable ones', () => {
  assert.equal(listParameters(query('page=-2')).page, 1);
  assert.equal(listParameters(query('page=x')).page, 1);
  assert.equal(listParameters(query('per_page=9999')).per_page, 500);
});

test('equal filters have equal keys and export addresses', () => {
  assert.equal(filterKey({ q: 'a b' }), filterKey(filtersOf(query('q=a%20b'))));
  assert.equal(
    exportAddress({ q: 'a b' }, 'csv', '2026-11-29'),
    '/api/products/export?q=a+b&format=csv&date=2026-11-29',
  );
});

test('only the page after the one that is shown has a page token', () => {
  assert.deepEqual(pageQuery(3, { page: 2, next: 'token' }), { page: 3, after: 'token' });
  assert.deepEqual(pageQuery(1, { page: 2, next: 'token' }), { page: undefined, after: undefined });
  assert.deepEqual(pageQuery(4, { page: 2, next: 'token' }), { page: 4, after: undefined });
  assert.deepEqual(pageQuery(3, { page: 2, next: null }), { page: 3, after: undefined });
  assert.deepEqual(pageQuery(2), { page: 2, after: undefined });
});
