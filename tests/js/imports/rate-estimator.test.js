import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createRateEstimator } from '../../../static/js/imports/rate-estimator.js';
import { createImport, timeAt } from './factories.js';

/** @import { ImportDetail } from '../../../static/js/core/types.d.ts' */

/**
 * @param {number} seconds since the import started
 * @param {Partial<ImportDetail>} changes
 */
const jobAt = (seconds, changes) =>
  createImport({ status: 'processing', started_at: timeAt(0), updated_at: timeAt(seconds), ...changes });

test('without a job there is no estimate', () => {
  const estimator = createRateEstimator();
  assert.equal(estimator.rowsPerSecond(), null);
  assert.equal(estimator.secondsLeft(), null);
});

test('the speed is that of the last five seconds', () => {
  const estimator = createRateEstimator();
  for (let second = 0; second <= 10; second += 1) {
    const rows = second <= 5 ? second * 100 : 500 + (second - 5) * 1000;
    estimator.add(jobAt(second, { phase: 'writing', processed_records: rows }));
  }
  assert.equal(estimator.rowsPerSecond(), 1000);
});

test('the first estimate of reading is its average since the start', () => {
  const estimator = createRateEstimator();
  estimator.add(jobAt(2, { phase: 'reading', rows_read: 3000 }));
  assert.equal(estimator.rowsPerSecond(), 1500);
});

test('another phase has no speed at first, because it did not begin with the import', () => {
  const estimator = createRateEstimator();
  estimator.add(jobAt(2, { phase: 'reading', rows_read: 3000 }));
  estimator.add(jobAt(4, { phase: 'writing', processed_records: 100 }));
  assert.equal(estimator.rowsPerSecond(), null);
  estimator.add(jobAt(5, { phase: 'writing', processed_records: 900 }));
  assert.equal(estimator.rowsPerSecond(), 800);
});

test('a speed is never negative', () => {
  const estimator = createRateEstimator();
  estimator.add(jobAt(2, { phase: 'reading', rows_read: 3000 }));
  estimator.add(jobAt(3, { phase: 'reading', rows_read: 0 }));
  assert.equal(estimator.rowsPerSecond(), 0);
});

test('versions that are not newer, or have no valid time, are ignored', () => {
  const estimator = createRateEstimator();
  estimator.add(jobAt(2, { phase: 'reading', rows_read: 3000 }));
  estimator.add(jobAt(2, { phase: 'reading', rows_read: 9000 }));
  estimator.add(jobAt(1, { phase: 'reading', rows_read: 9000 }));
  estimator.add({ ...jobAt(3, { rows_read: 9000 }), updated_at: '' });
  assert.equal(estimator.rowsPerSecond(), 1500);
});

test('the time left follows from the progress since the start', () => {
  const estimator = createRateEstimator();
  estimator.add(jobAt(2, { phase: 'reading', progress: 20 }));
  assert.equal(estimator.secondsLeft(), 8);
});

test('the time left is unknown at the beginning', () => {
  const estimator = createRateEstimator();
  estimator.add(jobAt(1, { phase: 'reading', progress: 20 }));
  assert.equal(estimator.secondsLeft(), null, 'after one second');
  estimator.add(jobAt(5, { phase: 'reading', progress: 2 }));
  assert.equal(estimator.secondsLeft(), null, 'at two percent');
  estimator.add({ ...jobAt(6, { phase: 'reading', progress: 20 }), started_at: null });
  assert.equal(estimator.secondsLeft(), null, 'without a start');
});

test('the time left is the mean of the recent pace and the overall pace', () => {
  const estimator = createRateEstimator();
  estimator.add(jobAt(10, { phase: 'writing', progress: 10 }));
  estimator.add(jobAt(20, { phase: 'writing', progress: 40 }));
  // The pace is 2 percent a second overall and 3 recently. At the mean of 2.5, the last 60 percent take 24 seconds.
  assert.equal(estimator.secondsLeft(), 24);
});
