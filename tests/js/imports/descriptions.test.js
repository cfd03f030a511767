import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  describeAllRejected,
  describeOrigin,
  describeOtherImported,
  describeWritten,
  isExpired,
  jobHeadline,
} from '../../../static/js/imports/descriptions.js';
import { LATER, createCheckedImport, createFile, createImport, createLog } from './factories.js';

/** @import { ImportDetail } from '../../../static/js/core/types.d.ts' */

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

test('rows that did not count are not called imported', () => {
  const job = createImport({ status: 'completed', total_records: 303, rejected_count: 119, duplicate_count: 1 });
  assert.equal(jobHeadline(job), '183 of 303 rows imported');
  assert.equal(jobHeadline({ ...job, skipped_count: 183 }), '0 of 303 rows imported');
  assert.equal(jobHeadline({ ...job, rejected_count: 0, duplicate_count: 0 }), '303 rows imported');
  assert.equal(describeOtherImported(job), '183 other rows were imported.');
  assert.equal(describeOtherImported({ ...job, rejected_count: 301 }), '1 other row was imported.');
  assert.equal(describeOtherImported({ ...job, rejected_count: 302 }), 'No other row was imported.');
});

test('the origin of a job names the client and its address', () => {
  assert.equal(describeOrigin({ started_from: 'page', started_by: '127.0.0.1' }), 'The page · 127.0.0.1');
  assert.equal(describeOrigin({ started_from: 'api', started_by: '' }), 'The API');
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
