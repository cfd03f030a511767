import assert from 'node:assert/strict';
import { test } from 'node:test';

import { nextToConfirm, planConfirmation } from '../../../static/js/imports/waiting-imports.js';
import { createCheckedImport, createPreview } from './factories.js';

/** @import { ImportDetail, ImportOptions } from '../../../static/js/core/types.d.ts' */

/**
 * @param {number} id
 * @param {Partial<ImportDetail>} [changes]
 * @param {Partial<ImportOptions>} [options]
 */
function createWaiting(id, changes = {}, options = {}) {
  const preview = createPreview({ create: 10, update: 2, rejected: 1 });
  const job = createCheckedImport({ id, task_id: `job-${id}`, status: 'awaiting_confirmation', preview, ...changes });
  return { ...job, options: { ...job.options, ...options } };
}

test('the next import is the one after this, then the first', () => {
  const [first, second, third] = [createWaiting(1), createWaiting(2), createWaiting(3)];
  assert.equal(nextToConfirm([first, second, third], second), third);
  assert.equal(nextToConfirm([first, second, third], third), first);
  assert.equal(nextToConfirm([first, third], second), third);
  assert.equal(nextToConfirm([second], second), null);
  assert.equal(nextToConfirm([], second), null);
});

test('a plan has the totals of the imports that can be confirmed together', () => {
  const { imports, totals } = planConfirmation([
    createWaiting(1),
    createWaiting(2),
    createWaiting(3, { on_reject: 'fail' }),
    createWaiting(4, {}, { missing: 'delete' }),
    createWaiting(5, {}, { missing: 'deactivate' }),
    createWaiting(6, { status: 'cancelled' }),
    createWaiting(7, { preview: null }),
  ]);
  assert.deepEqual(totals, { create: 20, update: 4, rejected: 2 });
  assert.deepEqual(
    imports.map(({ blocked }) => blocked),
    [
      '',
      '',
      'It is all or nothing, and has rejected rows.',
      'It deletes products that are not in the file. Confirm it by itself.',
      'It deactivates products that are not in the file. Confirm it by itself.',
      'It no longer waits to be confirmed.',
      'It no longer waits to be confirmed.',
    ],
  );
});

test('an import whose rows were all rejected is not confirmed with the others', () => {
  const { imports } = planConfirmation([createWaiting(1, { total_records: 3, rejected_count: 3 })]);
  assert.equal(imports[0]?.blocked, 'Every row was rejected, so there is nothing to import.');
});
