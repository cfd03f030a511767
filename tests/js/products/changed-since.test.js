import assert from 'node:assert/strict';
import { test } from 'node:test';

import { beginningOf, beginningOfDay } from '../../../static/js/products/changed-since.js';
import { filterBody, filtersOf } from '../../../static/js/products/query.js';

const NOW = new Date(2026, 10, 24, 15, 30).getTime();

test('a choice begins at midnight of the reader, or so many hours ago', () => {
  assert.equal(beginningOf('today', NOW), new Date(2026, 10, 24).toISOString());
  assert.equal(beginningOf('day', NOW), new Date(NOW - 86_400_000).toISOString());
  assert.equal(beginningOf('week', NOW), new Date(NOW - 7 * 86_400_000).toISOString());
  assert.equal(beginningOf('', NOW), undefined);
});

test('a date begins at midnight of the reader', () => {
  assert.equal(beginningOfDay('2026-11-24'), new Date(2026, 10, 24).toISOString());
  assert.equal(beginningOfDay(''), undefined);
});

test('the filters by changes are those of the address', () => {
  const filters = { changed_by: '5b0c6d1e-7f0a-4c52-9d6b-0f2a51f0f6a3', changed_since: '2026-11-24T00:00:00Z' };
  assert.deepEqual(filtersOf(new URLSearchParams(filters)), filters);
  assert.deepEqual(filterBody(filters), filters);
});
