import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fieldChoices, listsOf } from '../../../static/js/imports/checked-rows.js';
import { differingFields } from '../../../static/js/imports/compare-rows.js';
import { describeFieldChanges } from '../../../static/js/imports/field-changes.js';
import { describeGroup } from '../../../static/js/imports/reject-groups.js';
import { createPreview } from './factories.js';

test('a check has a list for each kind of row that it found', () => {
  const lists = listsOf(createPreview({ create: 2, unchanged: 5, skipped: 3 }));
  assert.deepEqual(
    lists.map(({ name, count }) => [name, count]),
    [
      ['created', 2],
      ['unchanged', 2],
      ['skipped', 3],
    ],
  );
});

test('missing products have a list that says what happens to them', () => {
  const [list] = listsOf(createPreview({ missing: 3, missing_action: 'delete' }));
  assert.deepEqual(list, { name: 'missing', label: 'To delete', count: 3 });
  const deactivated = listsOf(createPreview({ missing: 1, missing_action: 'deactivate' }));
  assert.deepEqual(
    deactivated.map(({ label }) => label),
    ['To deactivate'],
  );
});

test('the filter by field offers the changes that the check counted', () => {
  const fields = { name: { changed: 0, cleared: 0 }, description: { changed: 49_819, cleared: 12 } };
  assert.deepEqual(fieldChoices(fields), [
    ['', 'Any change'],
    ['description', 'Description changes (49,819)'],
    ['description:cleared', 'Description becomes empty (12)'],
  ]);
});

test('the fields that differ are compared, or all if none does', () => {
  const after = { name: 'Lamp', active: true };
  assert.deepEqual(differingFields({ name: 'Lamp', active: false }, after), ['active']);
  assert.deepEqual(differingFields({ name: 'Lamp', active: true }, after), ['name', 'active']);
  assert.deepEqual(differingFields(null, after), ['name', 'active']);
});

test('a check says how many products change in each field, and how many values become empty', () => {
  const fields = {
    name: { changed: 1, cleared: 1 },
    description: { changed: 49_819, cleared: 12 },
    active: { changed: 0, cleared: 0 },
  };
  assert.deepEqual(
    describeFieldChanges(fields).map(({ label, effects }) => [label, ...effects.map(({ text }) => text)]),
    [
      ['Name', '1 changed', '1 becomes empty'],
      ['Description', '49,819 changed', '12 become empty'],
    ],
  );
});

test('a group of rejected rows is named after its column and value, or its reason', () => {
  const reason = { code: 'missing_sku', message: 'The row has no SKU.', details: null };
  assert.equal(describeGroup({ ...reason, column: 'Status', value: 'maybe' }), 'Status: “maybe”');
  assert.equal(describeGroup({ ...reason, column: 'Item', value: null }), 'Item: The row has no SKU.');
  assert.equal(describeGroup({ ...reason, column: null, value: null }), 'The row has no SKU.');
});
