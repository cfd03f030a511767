import assert from 'node:assert/strict';
import { test } from 'node:test';

import { listChanges } from '../../../static/js/access/activity-changes.js';

/** @param {string} name @param {unknown} value */
const after = (name, value) => listChanges({ [name]: [null, value] })[0];

test('changes are texts before and after', () => {
  assert.deepEqual(listChanges({ name: ['Lamp', 'Red lamp'], enabled: [true, false], scopes: [null, ['a', 'b']] }), [
    { field: 'name', before: 'Lamp', after: 'Red lamp' },
    { field: 'enabled', before: 'yes', after: 'no' },
    { field: 'permissions', before: '', after: 'a, b' },
  ]);
  assert.deepEqual(listChanges(null), []);
  assert.equal(listChanges({ text: ['', 'x'.repeat(5000)] })[0]?.after.length, 301);
});

test('a checksum is short, and whole in its title', () => {
  const checksum = 'ab12'.repeat(16);
  assert.deepEqual(after('file_sha256', checksum), {
    field: 'checksum',
    before: '',
    after: 'ab12ab12ab12…',
    title: checksum,
  });
  assert.equal(after('file_size', 1_250_000)?.after, '1.3 MB');
});

test('options of an import have the words of its card', () => {
  assert.deepEqual(after('missing', 'deactivate'), {
    field: 'Products not in the file',
    before: '',
    after: 'Deactivate',
  });
  assert.equal(after('mode', 'upsert')?.after, 'Create and update');
  assert.equal(after('mode', 'a later one')?.after, 'a later one');
});

test('a filter is in words', () => {
  const filter = { q: 'desk lamp', sku: 'A-1', active: false, changed_by: 'a1b2' };
  assert.equal(
    after('filter', filter)?.after,
    '“desk lamp” in any text, “A-1” in SKU, inactive, changed by one import',
  );
  assert.match(after('filter', { changed_since: '2026-11-28T10:00:00Z' })?.after ?? '', /^changed since .*2026/);
  assert.equal(after('filter', {})?.after, 'all products');
  assert.equal(after('filter', { price: 3, changed_since: 'soon' })?.after, '“3” in price, changed since soon');
});

test('other objects are lists of their fields', () => {
  assert.equal(after('sort', { by: 'sku', is_first: true })?.after, 'by: sku, is first: yes');
});
