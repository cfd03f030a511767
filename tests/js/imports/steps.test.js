import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  canChangeReading,
  currentStep,
  hasContent,
  importAddress,
  isChecking,
  isFileRefused,
  isStep,
  lacksSku,
  needsColumns,
  outcomeOf,
} from '../../../static/js/imports/steps.js';
import { LATER, createCheckedImport, createFile, createImport, createLog, createPreview } from './factories.js';

/** @import { ImportDetail } from '../../../static/js/core/types.d.ts' */
/** @import { Step } from '../../../static/js/imports/steps.js' */

/** @type {Step[]} */
const STEPS = ['check', 'progress', 'result'];

/** @param {ImportDetail} job */
const stepsWithContent = (job) => STEPS.filter((step) => hasContent(job, step));

test('the address of an import names its step', () => {
  assert.equal(importAddress('a/b'), '#/imports/a%2Fb');
  assert.equal(importAddress('a', 'check'), '#/imports/a/check');
  assert.equal(isStep('check'), true);
  assert.equal(isStep('choose'), false);
  assert.equal(isStep(undefined), false);
});

test('an import without a check only has its progress', () => {
  const job = createImport({ status: 'processing', phase: 'reading' });
  assert.equal(isChecking(job), false);
  assert.equal(currentStep(job), 'progress');
  assert.deepEqual(stepsWithContent(job), ['progress']);
});

test('an import that is checked first is at its check until it is confirmed', () => {
  const reading = createCheckedImport({ status: 'processing', phase: 'reading' });
  assert.equal(currentStep(reading), 'check');
  const ready = { ...reading, preview: createPreview(), log: createLog('started', 'compared') };
  assert.equal(currentStep({ ...ready, status: 'awaiting_confirmation' }), 'check');
  const confirmed = { ...ready, log: createLog('started', 'compared', 'confirmed') };
  assert.equal(isChecking(confirmed), false);
  assert.equal(currentStep(confirmed), 'progress');
  assert.deepEqual(stepsWithContent(confirmed), ['check', 'progress']);
});

test('a check that was started again is a check although it still has its old preview', () => {
  const job = createCheckedImport({
    status: 'processing',
    phase: 'reading',
    preview: createPreview(),
    log: createLog('compared', 'cancelled', 'retried'),
  });
  assert.equal(isChecking(job), true);
});

test('an import that writes is not at its check', () => {
  assert.equal(isChecking(createCheckedImport({ status: 'processing', phase: 'writing' })), false);
});

test('an import that failed for its columns is at its check while it can be retried', () => {
  const job = createImport({
    status: 'failed',
    retry_until: LATER,
    file: createFile({ problem: 'No column is the SKU.', columns: [{ name: 'Titel', field: 'name', samples: [] }] }),
  });
  assert.equal(needsColumns(job), true);
  assert.equal(lacksSku(job), true);
  assert.equal(currentStep(job), 'check');
  assert.deepEqual(stepsWithContent(job), ['check', 'result']);
  assert.equal(currentStep({ ...job, retry_until: null }), 'result');
  const withSku = createFile({ columns: [{ name: 'Artikel', field: 'sku', samples: [] }] });
  assert.equal(lacksSku({ ...job, file: withSku }), false);
});

test('a finished import has its result, and its check if there was one or it can be corrected', () => {
  const completed = createImport({ status: 'completed' });
  assert.deepEqual(stepsWithContent(completed), ['result']);
  assert.deepEqual(stepsWithContent({ ...completed, preview: createPreview() }), ['check', 'result']);
  const cancelled = createImport({ status: 'cancelled', retry_until: LATER });
  assert.deepEqual(stepsWithContent(cancelled), ['check', 'result']);
  assert.deepEqual(stepsWithContent({ ...cancelled, kind: 'undo' }), ['result']);
});

/** @param {ImportDetail} job */
const outcomes = (job) => STEPS.map((step) => outcomeOf(job, step)).join();

test('a step that failed is neither done nor skipped', () => {
  const failed = createImport({ status: 'failed', log: createLog('started', 'failed') });
  assert.equal(outcomes(failed), 'skipped,failed,');
  const failedCheck = createCheckedImport({ status: 'failed', log: createLog('started', 'failed') });
  assert.equal(outcomes(failedCheck), 'failed,skipped,');
  const preview = createPreview();
  const written = createCheckedImport({ status: 'failed', preview, log: createLog('compared', 'confirmed', 'failed') });
  assert.equal(outcomes(written), 'done,failed,');
  assert.equal(outcomes(createCheckedImport({ status: 'cancelled' })), 'skipped,skipped,');
  assert.equal(outcomes(createCheckedImport({ status: 'cancelled', preview })), 'done,skipped,');
  assert.equal(outcomes(createCheckedImport({ status: 'completed', preview })), 'done,done,done');
  assert.equal(outcomes(createImport({ status: 'completed' })), 'skipped,done,done');
  assert.equal(outcomes(createImport({ status: 'completed', rejected_count: 3, total_records: 3 })), 'skipped,done,');
  assert.equal(outcomes(createCheckedImport({ status: 'processing', phase: 'reading' })), ',,');
});

test('a refused file can be read in another way only if something of it was read, or an option said how', () => {
  const refused = createImport({ status: 'failed', retry_until: LATER, log: createLog('started', 'refused') });
  assert.equal(isFileRefused(refused), true);
  assert.equal(canChangeReading(refused), false);
  assert.deepEqual(stepsWithContent(refused), ['result']);
  assert.equal(canChangeReading({ ...refused, file: createFile() }), true);
  assert.equal(canChangeReading({ ...refused, options: { ...refused.options, encoding: 'utf-16' } }), true);
  const interrupted = { ...refused, log: createLog('refused', 'retried', 'started', 'failed') };
  assert.equal(isFileRefused(interrupted), false);
  assert.equal(canChangeReading(interrupted), true);
});
