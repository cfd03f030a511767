import assert from 'node:assert/strict';
import { test } from 'node:test';

import { readImportFilters } from '../../../static/js/imports/history-filters.js';

/** @param {string} query */
const filtersOf = (query) => readImportFilters(new URLSearchParams(query));

test('the filters of an address are read', () => {
  assert.deepEqual(filtersOf('filename=+lamps+&kind=bulk&status=failed&started_from=api&page=2'), {
    filename: 'lamps',
    kind: 'bulk',
    status: 'failed',
    started_from: 'api',
  });
});

test('empty and unknown values are left out', () => {
  assert.deepEqual(filtersOf(''), {});
  assert.deepEqual(filtersOf('filename=++&status=&started_from='), {});
  assert.deepEqual(filtersOf('status=unknown&kind=both&started_from=moon'), {});
});
