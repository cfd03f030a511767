import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describeStatus, hasListedProducts } from '../../../static/js/imports/job.js';
import { jobHeadline } from '../../../static/js/imports/descriptions.js';
import { describeNoUndo, describeUndoPlan, describeUndoState } from '../../../static/js/imports/undo-texts.js';
import { LATER, createBulkJob, createImport } from './factories.js';

/** @import { ImportDetail, LastUndo, UndoPlan } from '../../../static/js/core/types.d.ts' */

/** @type {UndoPlan} */
const NOTHING = {
  message: '',
  products: 0,
  removed: 0,
  changed_back: 0,
  inserted_again: 0,
  edited_since: 0,
  sku_taken: 0,
  already_gone: 0,
  undo_until: LATER,
  refusal: null,
};

/** @type {LastUndo} */
const UNDO = {
  task_id: '5b0c6d1e-7f0a-4c52-9d6b-0f2a51f0f6a4',
  status: 'completed',
  progress: 100,
  error_message: null,
  error_code: null,
  error_details: null,
  started_from: 'page',
  started_by: 'Ada',
  finished_at: LATER,
  removed_count: 183,
  restored_count: 0,
  gone_count: 0,
  left_alone_count: 2,
};

/** @param {Partial<ImportDetail>} changes */
const createUndone = (changes) =>
  createImport({ status: 'completed', undone_by: UNDO.task_id, undo: UNDO, ...changes });

test('the question before an undo states what happens to each product, and the deadline', () => {
  const text = describeUndoPlan({ ...NOTHING, removed: 1412, edited_since: 586 });
  assert.match(text, /^1,412 products are removed, 586 stay because they were edited since\. You can undo this until /);
  assert.match(describeUndoPlan({ ...NOTHING, changed_back: 1 }), /^1 product gets its former values back\. /);
  const deletion = { ...NOTHING, inserted_again: 3, sku_taken: 1, already_gone: 1 };
  assert.match(
    describeUndoPlan(deletion),
    /^3 products are restored, 1 stays deleted because another product has its SKU now, 1 is already gone\. /,
  );
  assert.match(
    describeUndoPlan({ ...NOTHING, refusal: 'Most were changed.' }),
    /^Nothing would change\. Most were chan/,
  );
});

test('a job that was undone says so in place of what it had done', () => {
  const undone = createUndone({ undo_state: 'undone', created_count: 185 });
  assert.equal(describeStatus(undone).word, 'Undone');
  assert.equal(jobHeadline(undone), 'Undone by Ada, 183 removed, 2 left alone');
  assert.equal(
    jobHeadline({ ...undone, undo_state: 'partly_undone' }),
    'Partly undone by Ada, 183 removed, 2 left alone',
  );
  assert.equal(describeUndoState({ ...undone, undo: null }), 'Undone');
  assert.equal(
    describeUndoState({ ...undone, undo_state: 'undo_failed' }),
    'The undo by Ada failed, 183 removed, 2 left alone',
  );
  assert.equal(describeStatus({ ...undone, undo_state: 'undoing' }).word, 'Being undone');
  const bulk = createBulkJob({}, { undo_state: 'undone', undo: { ...UNDO, removed_count: 0, restored_count: 5 } });
  assert.equal(describeUndoState(bulk), 'Undone by Ada, 5 restored, 2 left alone');
  assert.equal(describeUndoState(createImport()), '');
});

test('a job that cannot be undone says why', () => {
  const job = createImport({ status: 'completed', created_count: 1 });
  assert.match(describeNoUndo(job), /^This import cannot be undone: the server keeps nothing for undos\.$/);
  assert.match(describeNoUndo({ ...job, undo_until: '2020-01-01T00:00:00Z' }), /any more: that was possible until /);
  for (const changes of [
    { undo_until: LATER },
    { created_count: 0 },
    { undone_by: UNDO.task_id },
    { status: /** @type {const} */ ('processing') },
    { kind: /** @type {const} */ ('undo') },
  ]) {
    assert.equal(describeNoUndo({ ...job, ...changes }), '');
  }
});

test('the products of a job are listed as long as the server knows them', () => {
  const job = createImport({ status: 'completed', updated_count: 1, undo_until: LATER });
  assert.equal(hasListedProducts(job), true);
  for (const changes of [{ updated_count: 0 }, { undo_until: null }, { kind: /** @type {const} */ ('undo') }]) {
    assert.equal(hasListedProducts({ ...job, ...changes }), false);
  }
});
