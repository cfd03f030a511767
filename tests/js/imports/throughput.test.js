import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { averageRates, mergeSamples, phaseSpans, rateBars } from '../../../static/js/imports/throughput.js';
import { createImport } from './factories.js';

/** @import { RateSample } from '../../../static/js/core/types.d.ts' */

/**
 * @param {string} phase
 * @param {...[at: number, rows: number]} points
 * @returns {RateSample[]}
 */
const samplesOf = (phase, ...points) => points.map(([at, rows]) => ({ at, phase, rows }));

describe('the bars of the chart', () => {
  test('there are none without samples', () => {
    assert.deepEqual(rateBars([], 10), []);
  });

  test('have one width and the rate of their time', () => {
    const bars = rateBars(samplesOf('reading', [1, 100], [2, 300], [3, 300], [4, 700]), 4);
    assert.deepEqual(bars, [
      { from: 0, to: 1, phase: 'reading', rate: 100 },
      { from: 1, to: 2, phase: 'reading', rate: 200 },
      { from: 2, to: 3, phase: 'reading', rate: 0 },
      { from: 3, to: 4, phase: 'reading', rate: 400 },
    ]);
  });

  test('are wider if there would be too many', () => {
    const bars = rateBars(samplesOf('reading', [1, 100], [2, 300], [3, 300], [4, 700]), 2);
    assert.deepEqual(bars, [
      { from: 0, to: 2, phase: 'reading', rate: 150 },
      { from: 2, to: 4, phase: 'reading', rate: 200 },
    ]);
  });

  test('are as many as allowed for an import that takes days', () => {
    const bars = rateBars(samplesOf('writing', [1, 5], [200_000, 1_000_000]), 60);
    assert.equal(bars.length, 60);
    assert.equal(Math.round(bars[0]?.rate ?? 0), 5);
  });

  test('count the rows of each phase from 0, and have the phase of their larger part', () => {
    const samples = [...samplesOf('reading', [1, 1000]), ...samplesOf('writing', [1.4, 80], [2, 200])];
    assert.deepEqual(rateBars(samples, 2), [
      { from: 0, to: 1, phase: 'reading', rate: 1000 },
      { from: 1, to: 2, phase: 'writing', rate: 200 },
    ]);
    assert.equal(
      rateBars([...samplesOf('reading', [0.4, 10]), ...samplesOf('writing', [1, 10])], 1)[0]?.phase,
      'writing',
    );
  });

  test('show no work if rows are counted again after a restart', () => {
    const bars = rateBars(samplesOf('reading', [1, 500], [2, 100], [3, 300]), 3);
    assert.deepEqual(
      bars.map(({ rate }) => rate),
      [500, 0, 200],
    );
  });

  test('begin at the first sample if an earlier run was resumed', () => {
    const bars = rateBars(samplesOf('writing', [100, 5000], [101, 5200]), 10);
    assert.equal(bars[0]?.from, 0);
    assert.equal(bars.at(-1)?.to, 1);
    assert.equal(bars[0]?.rate, 200);
  });

  test('begin where a retried run began, with the rows that it found', () => {
    const bars = rateBars(samplesOf('writing', [0, 5000], [1, 5200], [2, 5600]), 10);
    assert.deepEqual([bars[0]?.rate, bars.at(-1)?.rate], [200, 400]);
    assert.deepEqual(averageRates(samplesOf('undoing', [0, 300], [2, 500])), [{ phase: 'undoing', rate: 100 }]);
  });
});

test('the bars of a phase that follow each other are one span', () => {
  const samples = [
    ...samplesOf('comparing', [0, 0], [2, 20]),
    ...samplesOf('finding', [2, 0], [3, 50]),
    ...samplesOf('writing', [5, 10]),
  ];
  assert.deepEqual(phaseSpans(rateBars(samples, 5)), [
    { phase: 'comparing', from: 0, to: 2 },
    { phase: 'finding', from: 2, to: 3 },
    { phase: 'writing', from: 3, to: 5 },
  ]);
  assert.deepEqual(phaseSpans([]), []);
});

test('each phase has an average, except for those without rows', () => {
  const samples = [
    ...samplesOf('reading', [1, 100], [2, 400]),
    ...samplesOf('comparing', [3, 0]),
    ...samplesOf('writing', [4, 50], [7, 400]),
  ];
  assert.deepEqual(averageRates(samples), [
    { phase: 'reading', rate: 200 },
    { phase: 'writing', rate: 100 },
  ]);
});

describe('merging samples', () => {
  const known = samplesOf('reading', [1, 100], [2, 200]);

  test('stored samples replace known ones unless these are newer', () => {
    const stored = samplesOf('reading', [1, 100], [2, 200], [3, 300]);
    assert.equal(mergeSamples(known, createImport({ status: 'completed', samples: stored })), stored);
    const older = samplesOf('reading', [1, 100]);
    assert.equal(mergeSamples(known, createImport({ status: 'completed', samples: older })), known);
  });

  test('a running job adds a sample if it is newer', () => {
    const job = createImport({ status: 'processing', phase: 'reading', rows_read: 300, duration_seconds: 3 });
    assert.deepEqual(mergeSamples(known, job), samplesOf('reading', [1, 100], [2, 200], [3, 300]));
    assert.equal(mergeSamples(known, { ...job, duration_seconds: 2 }), known);
    assert.equal(mergeSamples(known, { ...job, duration_seconds: null }), known);
  });

  test('a job that is not counting rows adds none', () => {
    const job = createImport({ status: 'processing', phase: 'queued', duration_seconds: 3 });
    assert.equal(mergeSamples(known, job), known);
    assert.equal(mergeSamples(known, { ...job, phase: 'reading', status: 'failed' }), known);
  });
});
