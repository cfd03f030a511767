import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  describeBulkAction,
  describeBulkEnd,
  describeBulkProgress,
  describeBulkResult,
  describeSelection,
  describeValue,
  otherAuthor,
} from '../../../static/js/imports/bulk-texts.js';
import { setWho } from '../../../static/js/core/session.js';
import { describeDeletion } from '../../../static/js/imports/delete-import.js';
import { bulkCounts, countLabel, jobCounts } from '../../../static/js/imports/counts.js';
import { describeWritten, jobHeadline } from '../../../static/js/imports/descriptions.js';
import { describeRows, nameOf } from '../../../static/js/imports/job.js';
import { currentStep, hasContent } from '../../../static/js/imports/steps.js';
import { LATER, createBulkJob } from './factories.js';

/** @import { Who } from '../../../static/js/core/types.d.ts' */

test('the result of a bulk change counts in its own words', () => {
  const job = createBulkJob(
    {},
    { status: 'completed', total_records: 1412, updated_count: 1200, unchanged_count: 212 },
  );
  assert.equal(describeBulkResult(job), '1,200 products deactivated, 212 unchanged');
  assert.deepEqual(jobCounts(job), [
    { name: 'deactivated', value: 1200 },
    { name: 'unchanged', value: 212 },
  ]);
  assert.equal(countLabel('deactivated'), 'Deactivated');
  assert.equal(jobHeadline({ ...job, duration_seconds: 2 }), '1,200 products deactivated, 212 unchanged in 2.0 s');
  assert.deepEqual(describeRows(job), ['Products', '1,412']);
  const deletion = createBulkJob({ action: 'delete' }, { status: 'completed', removed_count: 1 });
  assert.equal(describeBulkResult(deletion), '1 product deleted');
  const setName = createBulkJob({ action: 'set', field: 'name', value: 'A' }, { unchanged_count: 3 });
  assert.equal(describeBulkResult(setName), 'No product changed, 3 unchanged');
});

test('the undo of a bulk change names it, and counts what it restored', () => {
  const undo = createBulkJob({}, { kind: 'undo', updated_count: 9, rejected_count: 2, unchanged_count: 1 });
  assert.equal(nameOf(undo), 'Undo of “Deactivate products”');
  assert.equal(describeBulkResult(undo), '9 products restored, 2 left alone, 1 already gone');
  assert.equal(describeBulkAction(undo), 'Undoing “Deactivate products”');
  assert.equal(jobHeadline({ ...undo, status: 'processing', phase: 'undoing' }), 'Undoing the bulk change');
  assert.equal(describeWritten(undo), '9 products were restored before it stopped. These changes stay.');
});

test('a running bulk change says what it does, how far it is and how long it takes', () => {
  const job = createBulkJob({}, { status: 'pending' });
  assert.equal(describeBulkAction(job), 'Deactivating products');
  assert.equal(describeBulkProgress(job, null), 'Waiting for a worker…');
  assert.equal(describeBulkProgress({ ...job, status: 'processing', phase: 'finding' }, null), 'Finding the products…');
  const writing = createBulkJob(
    { selection: 'all' },
    { status: 'processing', phase: 'writing', total_records: 1412, processed_records: 540 },
  );
  assert.equal(describeBulkAction(writing), 'Deactivating all 1,412 products');
  assert.equal(describeBulkProgress(writing, null), '540 of 1,412');
  assert.equal(describeBulkProgress(writing, 18), '540 of 1,412 · 18 s left');
});

test('a cancelled bulk change says how many products it changed', () => {
  const job = createBulkJob({}, { status: 'cancelled', total_records: 1412, updated_count: 540 });
  assert.equal(describeBulkEnd(job), 'The bulk change was cancelled: 540 products deactivated before');
  assert.equal(
    describeBulkEnd({ ...job, updated_count: 0 }),
    'The bulk change was cancelled before it changed anything',
  );
  assert.equal(jobHeadline(job), 'The bulk change was cancelled');
  assert.equal(describeWritten(job), '540 products were deactivated before it stopped. These changes stay.');
  assert.equal(describeWritten({ ...job, updated_count: 1 }).slice(-18), 'This change stays.');
  assert.equal(describeWritten({ ...job, updated_count: 0 }), 'Nothing was changed.');
});

test('the question before the undo of a bulk change says what happens to the products', () => {
  const job = createBulkJob({}, { updated_count: 1200, undo_until: LATER });
  assert.match(describeDeletion(job), /^Its result and log are deleted\. .* The bulk change can be undone until/);
});

test('the selection and the value of a bulk change are described', () => {
  const { bulk } = createBulkJob();
  assert.equal(describeSelection({ ...bulk, selection: 'all' }), 'All products');
  assert.equal(describeSelection({ ...bulk, selection: 'ids', ids: 1 }), '1 selected product');
  assert.equal(
    describeSelection({ ...bulk, selection: 'filter', filter: { q: 'lamp', sku: 'A-', active: false } }),
    'Products that match: “lamp” in any text, “A-” in SKU, inactive',
  );
  assert.equal(describeValue({ ...bulk, value: '' }), 'empty');
  assert.equal(describeValue({ ...bulk, value: true }), 'active');
  assert.equal(describeValue({ ...bulk, value: 'Blue\nlamp' }), '“Blue lamp”');
});

test('a bulk change has no check', () => {
  const job = createBulkJob({}, { status: 'failed', retry_until: LATER });
  assert.equal(currentStep(job), 'result');
  assert.equal(hasContent(job, 'check'), false);
  assert.equal(currentStep(createBulkJob()), 'progress');
});

test('every action has counts', () => {
  for (const [action, name] of /** @type {const} */ ([
    ['activate', 'activated'],
    ['deactivate', 'deactivated'],
    ['delete', 'deleted'],
  ])) {
    assert.equal(bulkCounts(createBulkJob({ action }))[0]?.name, name);
  }
  assert.equal(bulkCounts(createBulkJob({ action: 'set', field: 'active', value: false }))[0]?.name, 'deactivated');
  assert.equal(bulkCounts(createBulkJob({ action: 'set', field: 'name', value: '' }))[0]?.name, 'changed');
});

test('the author of a job is named to others', () => {
  const job = createBulkJob({}, { started_by: 'Ada' });
  /** @param {Partial<Who['actor']>} actor */
  const useAs = (actor) =>
    setWho({ actor: { id: 1, name: 'Edith', role: 'editor', type: 'user', ...actor }, scopes: [] });
  useAs({});
  assert.equal(otherAuthor(job), 'Ada');
  useAs({ name: 'Ada' });
  assert.equal(otherAuthor(job), '');
  useAs({ type: 'local', name: 'local' });
  assert.equal(otherAuthor(job), '');
});
