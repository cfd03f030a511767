import assert from 'node:assert/strict';
import { test } from 'node:test';

import { summarize } from '../../../static/js/imports/background-summary.js';
import { createBulkJob, createImport } from './factories.js';

/** @import { RunningJob, UploadProgress, WaitingJob } from '../../../static/js/imports/background-summary.js' */

/**
 * @param {number} percent
 * @param {Partial<RunningJob>} [changes]
 * @returns {RunningJob}
 */
const createJob = (percent, changes = {}) => ({
  task_id: `job-${percent}`,
  filename: 'lamps.csv',
  kind: 'import',
  phase: 'writing',
  step_progress: percent,
  ...changes,
});

/**
 * @param {string} id
 * @param {Partial<WaitingJob>} [changes]
 * @returns {WaitingJob}
 */
const createWaiting = (id, changes = {}) =>
  createImport({ task_id: id, status: 'awaiting_confirmation', total_records: 4, ...changes });

/**
 * @param {number} loaded
 * @param {Partial<UploadProgress>} [changes]
 * @returns {UploadProgress}
 */
const createUpload = (loaded, changes = {}) => ({
  state: 'sending',
  loaded,
  total: 100,
  name: 'lamps.csv',
  ...changes,
});

test('there is nothing to show without imports and uploads', () => {
  assert.equal(summarize([], [], []), null);
  assert.equal(summarize([], [createUpload(50, { state: 'failed' })], []), null);
});

test('a single import has its name and address', () => {
  assert.deepEqual(summarize([createJob(40)], [], []), {
    text: 'Importing lamps.csv · 40%',
    href: '#/imports/job-40',
    percent: 40,
  });
  assert.equal(summarize([createJob(40, { phase: 'reading' })], [], [])?.text, 'Reading lamps.csv · 40%');
  assert.equal(summarize([createJob(40, { phase: 'comparing' })], [], [])?.text, 'Checking lamps.csv · 40%');
  assert.equal(summarize([createJob(40, { kind: 'undo' })], [], [])?.text, 'Undo of lamps.csv · 40%');
});

test('several imports have their average progress', () => {
  assert.deepEqual(summarize([createJob(40), createJob(15)], [createUpload(9)], []), {
    text: '2 imports · 27%',
    href: '#/import',
    percent: 27,
  });
});

test('a bulk change says what it does, and several jobs of different kinds are called jobs', () => {
  const bulk = createBulkJob({}, { step_progress: 30, total_records: 1412 });
  assert.equal(summarize([bulk], [], [])?.text, 'Deactivating 1,412 products · 30%');
  assert.equal(summarize([bulk, createJob(40)], [], [])?.text, '2 jobs · 35%');
});

test('uploads are shown while no import runs', () => {
  assert.equal(summarize([], [createUpload(25)], [createWaiting('a')])?.text, 'Uploading lamps.csv · 25%');
  assert.equal(summarize([], [createUpload(25), createUpload(75)], [])?.text, '2 uploads · 50%');
  assert.equal(summarize([], [createUpload(0, { total: 0 })], [])?.percent, 0);
});

test('imports that wait for a confirmation have no progress', () => {
  assert.deepEqual(summarize([], [], [createWaiting('a')]), {
    text: 'lamps.csv waits to be confirmed',
    href: '#/imports/a/check',
    percent: null,
  });
  assert.deepEqual(summarize([], [], [createWaiting('a'), createWaiting('b')]), {
    text: '2 imports wait to be confirmed',
    href: '#/import?status=awaiting_confirmation',
    percent: null,
  });
});

test('a file whose rows are all rejected does not just wait', () => {
  const waiting = createWaiting('a', { rejected_count: 4 });
  assert.equal(summarize([], [], [waiting])?.text, 'Every row of lamps.csv is rejected');
});
