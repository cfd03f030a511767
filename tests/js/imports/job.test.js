import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import {
  canFix,
  canRetry,
  describeRows,
  describeStatus,
  elapsedSeconds,
  isAllRejected,
  isFinal,
  isInFuture,
  isRunning,
  mergeJob,
  nameOf,
  rowsDone,
} from '../../../static/js/imports/job.js';
import { LATER, createCheckedImport, createImport, timeAt } from './factories.js';

/** @import { ImportJob } from '../../../static/js/core/types.d.ts' */

/**
 * @param {number} seconds
 * @param {Partial<ImportJob>} [changes]
 */
const versionAt = (seconds, changes = {}) =>
  createImport({ status: 'processing', phase: 'writing', updated_at: timeAt(seconds), ...changes });

test('every status is either running, final or waiting for a confirmation', () => {
  /** @type {ImportJob['status'][]} */
  const statuses = ['pending', 'processing', 'awaiting_confirmation', 'completed', 'failed', 'cancelled'];
  assert.deepEqual(
    statuses.filter((status) => isRunning({ status })),
    ['pending', 'processing'],
  );
  assert.deepEqual(
    statuses.filter((status) => isFinal({ status })),
    ['completed', 'failed', 'cancelled'],
  );
});

test('an undo is named after its import', () => {
  assert.equal(nameOf({ kind: 'import', filename: 'lamps.csv' }), 'lamps.csv');
  assert.equal(nameOf({ kind: 'undo', filename: 'lamps.csv' }), 'Undo of lamps.csv');
});

test('only a job that failed or was cancelled can be retried, and only until its deadline', () => {
  assert.equal(isInFuture(null), false);
  assert.equal(canRetry({ status: 'failed', retry_until: LATER }), true);
  assert.equal(canRetry({ status: 'cancelled', retry_until: LATER }), true);
  assert.equal(canRetry({ status: 'completed', retry_until: LATER }), false);
  assert.equal(canRetry({ status: 'failed', retry_until: '2020-01-01T00:00:00Z' }), false);
  assert.equal(canRetry({ status: 'failed', retry_until: null }), false);
});

test('rows can be corrected until the import has written products', () => {
  const failed = createCheckedImport({ status: 'failed', retry_until: LATER });
  assert.equal(canFix(createCheckedImport({ status: 'awaiting_confirmation' })), true);
  assert.equal(canFix(failed), true);
  assert.equal(canFix({ ...failed, updated_count: 1 }), false);
  assert.equal(canFix({ ...failed, retry_until: null }), false);
  // Without a check, the import would start again at once.
  assert.equal(canFix(createImport({ status: 'failed', retry_until: LATER })), false);
  assert.equal(canFix(createCheckedImport({ status: 'processing' })), false);
  assert.equal(canFix(createCheckedImport({ status: 'completed' })), false);
});

test('the rows of the current phase are counted', () => {
  const counts = { rows_read: 50, rows_written: 20, processed_records: 30 };
  assert.equal(rowsDone(createImport({ phase: 'reading', ...counts })), 50);
  assert.equal(rowsDone(createImport({ phase: 'writing', ...counts })), 30);
});

test('the status of a running job is its phase', () => {
  assert.equal(describeStatus({ status: 'processing', phase: 'comparing' }).word, 'Comparing');
  assert.equal(describeStatus({ status: 'processing', phase: 'new phase' }).word, 'Running');
  assert.deepEqual(describeStatus({ status: 'failed', phase: 'writing' }), {
    word: 'Failed',
    icon: 'cross',
    tone: 'danger',
  });
});

test('an import whose rows were all rejected is no success', () => {
  const job = createImport({ status: 'completed', phase: 'finished', total_records: 3, rejected_count: 3 });
  assert.equal(isAllRejected(job), true);
  assert.deepEqual(describeStatus(job), { word: 'All rejected', icon: 'warning', tone: 'warning' });
  assert.equal(isAllRejected({ ...job, status: 'awaiting_confirmation' }), true);
  assert.equal(isAllRejected({ ...job, status: 'failed' }), false);
  assert.equal(isAllRejected({ ...job, kind: 'undo' }), false);
  assert.equal(describeStatus({ ...job, rejected_count: 2 }).tone, 'success');
  assert.equal(isAllRejected({ ...job, total_records: 0, rejected_count: 0 }), false);
});

describe('merging versions of a job', () => {
  test('the first version is accepted as it is', () => {
    const job = versionAt(1);
    assert.equal(mergeJob(null, job), job);
  });

  test('a newer version replaces an older one', () => {
    const merged = mergeJob(versionAt(1, { progress: 10 }), versionAt(2, { progress: 20 }));
    assert.deepEqual(merged, versionAt(2, { progress: 20 }));
  });

  test('an older version that arrives late is ignored', () => {
    const known = versionAt(2, { progress: 20 });
    assert.equal(mergeJob(known, versionAt(1, { progress: 10 })), known);
  });

  test('the progress and the processed rows never go back', () => {
    const known = versionAt(1, { progress: 40, processed_records: 400 });
    const merged = mergeJob(known, versionAt(2, { progress: 30, processed_records: 300, rows_read: 7 }));
    assert.equal(merged.progress, 40);
    assert.equal(merged.processed_records, 400);
    assert.equal(merged.rows_read, 7);
    assert.equal(merged.updated_at, timeAt(2));
  });

  test('the progress of the step starts again with the import, and goes with the progress of the job', () => {
    const checked = versionAt(1, { progress: 50, step_progress: 100 });
    const confirmed = mergeJob(checked, versionAt(2, { progress: 50, step_progress: 0 }));
    assert.equal(confirmed.step_progress, 0);
    const written = mergeJob(confirmed, versionAt(3, { progress: 75, step_progress: 50 }));
    const merged = mergeJob(written, versionAt(4, { progress: 60, step_progress: 20 }));
    assert.deepEqual([merged.progress, merged.step_progress], [75, 50]);
  });

  test('a version with more progress is newer even if the clock of its machine is behind', () => {
    const merged = mergeJob(versionAt(9, { progress: 20 }), versionAt(3, { progress: 30 }));
    assert.equal(merged.progress, 30);
  });

  test('a final version is accepted whatever its time', () => {
    const merged = mergeJob(versionAt(9, { progress: 50 }), versionAt(3, { status: 'completed', progress: 100 }));
    assert.equal(merged.status, 'completed');
  });

  test('a final version is only replaced by a newer one', () => {
    const known = versionAt(5, { status: 'failed', progress: 50 });
    assert.equal(mergeJob(known, versionAt(4, { progress: 60 })), known);
    assert.equal(mergeJob(known, versionAt(5, { progress: 60 })), known);
    assert.equal(mergeJob(known, versionAt(6, { status: 'pending' })).status, 'pending');
    const sameTime = versionAt(5, { status: 'failed', error_message: 'Why it failed.' });
    assert.equal(mergeJob(known, sameTime), sameTime);
  });

  test('a later run replaces an earlier one although it starts at 0', () => {
    const known = versionAt(9, { run: 1, status: 'failed', progress: 80 });
    const retried = versionAt(3, { run: 2, progress: 0 });
    assert.equal(mergeJob(known, retried), retried);
    assert.equal(mergeJob(retried, known), retried);
  });
});

describe('the number of rows', () => {
  test('is an estimate while the file is read', () => {
    const job = createImport({ status: 'processing', phase: 'reading', rows_read: 1000, total_records: 5000 });
    assert.deepEqual(describeRows(job), ['Rows read', '1,000 of about 5,000']);
    assert.deepEqual(describeRows({ ...job, total_records: 900 }), ['Rows read', '1,000']);
    assert.deepEqual(describeRows({ ...job, status: 'cancelled' }), ['Rows read', '1,000']);
    assert.equal(describeRows({ ...job, rows_read: 0 }), null);
  });

  test('is exact while products are written and afterwards', () => {
    const job = createImport({ status: 'processing', phase: 'writing', rows_read: 5000, total_records: 5000 });
    assert.deepEqual(describeRows(job), ['Rows processed', '0 of 5,000']);
    assert.deepEqual(describeRows({ ...job, processed_records: 2000 }), ['Rows processed', '2,000 of 5,000']);
    assert.deepEqual(describeRows({ ...job, status: 'completed' }), ['Rows', '5,000']);
  });

  test('counts products in an undo', () => {
    const undo = createImport({ kind: 'undo', status: 'processing', phase: 'undoing' });
    assert.equal(describeRows(undo), null);
    assert.deepEqual(describeRows({ ...undo, total_records: 20, processed_records: 5 }), ['Products', '5 of 20']);
    assert.deepEqual(describeRows({ ...undo, total_records: 20, status: 'completed' }), ['Products', '20']);
  });
});

test('elapsed seconds only depend on times of the server', () => {
  assert.equal(elapsedSeconds(createImport()), null);
  const job = createImport({ started_at: timeAt(10), updated_at: timeAt(14) });
  assert.equal(elapsedSeconds(job), 4);
  assert.equal(elapsedSeconds({ ...job, finished_at: timeAt(30) }), 20);
  assert.equal(elapsedSeconds({ ...job, started_at: timeAt(20) }), 0);
});
