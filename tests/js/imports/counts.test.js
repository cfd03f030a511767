import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describeCounts, jobCounts, previewCounts } from '../../../static/js/imports/counts.js';
import { LATER, createImport, createPreview } from './factories.js';

/** @import { ImportDetail } from '../../../static/js/core/types.d.ts' */
/** @import { Count } from '../../../static/js/imports/counts.js' */

/** @param {Count[]} counts */
const values = (counts) => Object.fromEntries(counts.map(({ name, value }) => [name, value]));

/** @param {Count[]} counts */
const total = (counts) => counts.reduce((sum, { value }) => sum + value, 0);

test('the counts of an import add up to its rows', () => {
  const job = createImport({
    mode: 'create',
    total_records: 21,
    created_count: 1,
    updated_count: 2,
    unchanged_count: 7,
    skipped_count: 4,
    duplicate_count: 5,
    rejected_count: 6,
  });
  const counts = jobCounts(job);
  assert.deepEqual(values(counts), { created: 1, updated: 2, unchanged: 3, skipped: 4, duplicate: 5, rejected: 6 });
  assert.equal(total(counts), job.total_records);
});

test('skipped rows are only counted if the mode can skip rows', () => {
  assert.equal('skipped' in values(jobCounts(createImport())), false);
  assert.equal('skipped' in values(jobCounts(createImport({ mode: 'update' }))), true);
  assert.equal('skipped' in values(previewCounts(createPreview(), createImport())), false);
  assert.equal(values(previewCounts(createPreview({ skipped: 2 }), createImport({ mode: 'create' }))).skipped, 2);
});

test('the counts of an undo separate removed from restored products', () => {
  const undo = createImport({
    kind: 'undo',
    updated_count: 19,
    removed_count: 18,
    rejected_count: 1,
    unchanged_count: 2,
  });
  assert.deepEqual(values(jobCounts(undo)), { removed: 18, restored: 1, left_alone: 1, gone: 2 });
  assert.equal(describeCounts(jobCounts(undo)), '18 removed, 1 restored, 1 left alone, 2 already gone');
});

/**
 * Create an import that has removed products which are not in its file.
 * @param {'deactivate' | 'delete'} missing
 * @param {Partial<ImportDetail>} changes
 */

const createRemoval = (missing, changes) =>
  createImport({ options: { ...createImport().options, missing }, undo_until: LATER, ...changes });

test('products that are not in the file have a count of their own', () => {
  const deactivated = createRemoval('deactivate', { missing_count: 3 });
  assert.equal(values(jobCounts(deactivated)).deactivated, 3);
  assert.equal(values(jobCounts(createRemoval('delete', { missing_count: 0 }))).deleted, 0);
  assert.equal('deleted' in values(jobCounts(deactivated)), false);
  assert.equal('deactivated' in values(jobCounts(createImport())), false);
});
