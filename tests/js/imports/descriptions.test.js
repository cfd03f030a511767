import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  checkHeadline,
  confirmLabel,
  describeAllOrNothing,
  describeAllRejected,
  describeCounts,
  describeOrigin,
  describeOtherImported,
  describeOtherRows,
  describePlan,
  describeWritten,
  isExpired,
  jobCounts,
  jobHeadline,
  previewCounts,
} from '../../../static/js/imports/descriptions.js';
import { LATER, createCheckedImport, createFile, createImport, createLog, createPreview } from './factories.js';

/** @import { ImportDetail, ImportOptions, Preview } from '../../../static/js/core/types.d.ts' */
/** @import { Count } from '../../../static/js/imports/descriptions.js' */

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
  assert.deepEqual(values(jobCounts(undo)), { removed: 18, restored: 1, rejected: 1, unchanged: 2 });
  assert.equal(describeCounts(jobCounts(undo)), '18 removed, 1 restored, 1 left alone, 2 already gone');
});

test('the headline of a queued import explains the wait after a while', () => {
  assert.equal(jobHeadline(createImport()), 'Queued: waiting for a worker');
  assert.match(jobHeadline(createImport(), 6000), /^Waiting for a worker\. It starts by itself, after/);
});

test('the headline of a running import is its phase', () => {
  assert.equal(jobHeadline(createImport({ status: 'processing', phase: 'reading' })), 'Reading the file');
  assert.equal(
    jobHeadline(createCheckedImport({ status: 'processing', phase: 'reading' })),
    'Checking: reading the file',
  );
  assert.equal(
    jobHeadline(createImport({ status: 'processing', phase: 'undoing', kind: 'undo' })),
    'Undoing the import',
  );
  assert.equal(jobHeadline(createImport({ status: 'processing', phase: 'queued' })), 'Starting');
});

test('the headline of a finished import says how many rows were imported', () => {
  const job = createImport({ status: 'completed', total_records: 2000, duration_seconds: 1.84 });
  assert.equal(jobHeadline(job), '2,000 rows imported in 1.8 s');
  assert.equal(jobHeadline({ ...job, rejected_count: 2, duration_seconds: null }), '1,998 of 2,000 rows imported');
  const deletion = { ...job, options: { ...job.options, missing: /** @type {const} */ ('delete') }, missing_count: 1 };
  assert.equal(jobHeadline(deletion), '2,000 rows imported, 1 product deleted in 1.8 s');
  const undo = createImport({
    kind: 'undo',
    status: 'completed',
    updated_count: 3,
    removed_count: 3,
    duration_seconds: 2,
  });
  assert.equal(jobHeadline(undo), '3 removed, 0 restored in 2.0 s');
});

test('the headline of an import without a column for the SKU asks for it', () => {
  const job = createImport({ status: 'failed', retry_until: LATER, file: createFile({ problem: 'There is no SKU.' }) });
  assert.equal(jobHeadline(job), 'Which column is the SKU?');
  const columns = [{ name: 'sku', field: /** @type {const} */ ('sku'), samples: [] }];
  const twoNames = createFile({ problem: 'There are two names.', columns });
  assert.equal(jobHeadline({ ...job, file: twoNames }), 'Which column is which?');
  assert.equal(jobHeadline({ ...job, file: null }), 'The import did not finish');
  const options = { ...job.options, preview: true };
  assert.equal(jobHeadline({ ...job, options, file: null }), 'The check did not finish');
  assert.equal(jobHeadline({ ...job, file: null, kind: 'undo' }), 'The undo did not finish');
});

test('a check that nobody confirmed has expired, unless it was cancelled by hand later', () => {
  const expired = createImport({ status: 'cancelled', log: createLog('compared', 'expired') });
  assert.equal(isExpired(expired), true);
  assert.equal(jobHeadline(expired), 'Nobody confirmed it in time');
  const cancelled = { ...expired, log: createLog('expired', 'retried', 'cancelled') };
  assert.equal(isExpired(cancelled), false);
  assert.equal(jobHeadline(cancelled), 'The import was cancelled');
});

test('a job that ended early says what it wrote', () => {
  assert.equal(describeWritten(createImport()), 'Nothing was written.');
  assert.equal(
    describeWritten(createImport({ created_count: 1, updated_count: 1200 })),
    '1 product was created and 1,200 updated before it stopped. These changes stay.',
  );
  assert.equal(describeWritten(createImport({ kind: 'undo' })), 'Nothing was changed.');
  assert.equal(
    describeWritten(createImport({ kind: 'undo', updated_count: 5, removed_count: 3 })),
    '3 products were removed and 2 restored before it stopped. These changes stay.',
  );
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

test('a failed import says how many products it removed', () => {
  assert.equal(
    describeWritten(createRemoval('delete', { missing_count: 2 })),
    '2 products were deleted before it stopped. These changes stay.',
  );
  assert.match(
    describeWritten(createRemoval('deactivate', { updated_count: 3, missing_count: 1 })),
    /^3 products were updated and 1 deactivated before/,
  );
});

test('an all-or-nothing import says how many rows are bad', () => {
  assert.deepEqual(describeAllOrNothing(1, 2), {
    title: '1 row is bad, and this import is all or nothing.',
    detail: 'Correct the file and import it again, or set the bad row aside and import the other one.',
  });
  assert.match(describeAllOrNothing(2, 9).title, /^2 rows are bad/);
  assert.match(describeAllOrNothing(2, 9).detail, /set the bad rows aside and import the others\.$/);
  assert.equal(describeAllOrNothing(2, 2).detail, 'Correct the file and import it again.');
});

test('rows that did not count are not called imported', () => {
  const job = createImport({ status: 'completed', total_records: 303, rejected_count: 119, duplicate_count: 1 });
  assert.equal(jobHeadline(job), '183 of 303 rows imported');
  assert.equal(jobHeadline({ ...job, skipped_count: 183 }), '0 of 303 rows imported');
  assert.equal(jobHeadline({ ...job, rejected_count: 0, duplicate_count: 0 }), '303 rows imported');
  assert.equal(describeOtherImported(job), '183 other rows were imported.');
  assert.equal(describeOtherImported({ ...job, rejected_count: 301 }), '1 other row was imported.');
  assert.equal(describeOtherImported({ ...job, rejected_count: 302 }), 'No other row was imported.');
});

test('a check says what can become of the rows that are not rejected', () => {
  assert.equal(describeOtherRows(createPreview({ rejected: 3 })), 'There are no other rows.');
  assert.equal(describeOtherRows(createPreview({ create: 1, rejected: 3 })), 'The other row can be imported.');
  assert.equal(
    describeOtherRows(createPreview({ update: 1, unchanged: 1199 })),
    'The other 1,200 rows can be imported.',
  );
  assert.equal(describeOtherRows(createPreview({ unchanged: 2 })), 'The other 2 rows would change nothing.');
});

test('the history says what an import that waits would do', () => {
  assert.equal(describePlan(createPreview()), 'Would change nothing');
  assert.equal(describePlan(createPreview({ update: 1200 })), 'Would update 1,200');
  assert.equal(
    describePlan(createPreview({ create: 5, update: 1, missing: 2 })),
    'Would create 5, update 1 and remove 2',
  );
});

test('the origin of a job names the client and its address', () => {
  assert.equal(describeOrigin({ started_from: 'page', started_by: '127.0.0.1' }), 'The page · 127.0.0.1');
  assert.equal(describeOrigin({ started_from: 'api', started_by: '' }), 'The API');
});

/**
 * @param {Partial<Preview>} preview
 * @param {Partial<ImportOptions>} [options]
 */
const createCheck = (preview, options = {}) => {
  const job = createCheckedImport({ preview: createPreview(preview) });
  return { ...job, options: { ...job.options, ...options } };
};

test('the headline of a check says what would happen and how much is rejected', () => {
  assert.equal(checkHeadline(createImport()), 'Not counted');
  assert.equal(checkHeadline(createCheck({ unchanged: 2 })), 'Nothing would change');
  assert.equal(checkHeadline(createCheck({ create: 1 })), '1 product would be created');
  assert.equal(checkHeadline(createCheck({ create: 2, update: 1 })), '2 products would be created, 1 updated');
  assert.equal(
    checkHeadline(createCheck({ update: 1, unchanged: 1, duplicate: 1, rejected: 1 })),
    '1 product would be updated\u00a0· 1 of 4 rows rejected (25%)',
  );
  assert.equal(
    checkHeadline(createCheck({ create: 999, rejected: 1 })),
    '999 products would be created\u00a0· 1 of 1,000 rows rejected (less than 1%)',
  );
  assert.equal(
    checkHeadline(createCheck({ unchanged: 1, rejected: 999 })),
    'Nothing would change\u00a0· 999 of 1,000 rows rejected (more than 99%)',
  );
  assert.equal(checkHeadline(createCheck({ rejected: 3 })), 'Nothing would change: all 3 rows were rejected');
  assert.equal(checkHeadline(createCheck({ rejected: 1 })), 'Nothing would change: its only row was rejected');
});

test('a check states which products would be removed', () => {
  const deletion = createCheck({ create: 1, update: 2, missing: 1200 }, { missing: 'delete' });
  assert.equal(checkHeadline(deletion), '1 product would be created, 2 updated, 1,200 deleted');
  assert.equal(confirmLabel(deletion), 'Import 3 products and delete 1,200');
  assert.equal(values(previewCounts(deletion.preview ?? {}, deletion)).missing, 1200);
  const deactivation = createCheck({ unchanged: 4, missing: 1 }, { missing: 'deactivate' });
  assert.equal(checkHeadline(deactivation), '1 product would be deactivated');
  assert.equal(confirmLabel(deactivation), 'Deactivate 1 product');
  const keep = createCheck({ unchanged: 4, missing: 1 });
  assert.equal(confirmLabel(keep), 'Finish without changes');
  assert.equal('missing' in values(previewCounts(keep.preview ?? {}, keep)), false);
});

test('an import whose rows were all rejected says so first', () => {
  const job = createImport({ status: 'completed', total_records: 12, rejected_count: 12, duration_seconds: 1 });
  assert.equal(jobHeadline(job), 'Nothing was imported: all 12 rows were rejected');
  assert.equal(
    jobHeadline({ ...job, total_records: 1, rejected_count: 1 }),
    'Nothing was imported: its only row was rejected',
  );
});

test('the history says that every row was rejected', () => {
  assert.equal(
    describeAllRejected({ status: 'completed', total_records: 1200 }),
    'All 1,200 rows were rejected, so nothing was imported.',
  );
  assert.equal(
    describeAllRejected({ status: 'awaiting_confirmation', total_records: 1 }),
    'The only row was rejected, so nothing can be imported.',
  );
});
