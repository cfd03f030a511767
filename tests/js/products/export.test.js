import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fileDate } from '../../../static/js/products/export.js';

test('the name of a file has the local date', () => {
  assert.equal(fileDate(new Date(2026, 10, 29, 23, 59)), '2026-11-29');
  assert.equal(fileDate(new Date(2027, 0, 1, 0, 0)), '2027-01-01');
});
