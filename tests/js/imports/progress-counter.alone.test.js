import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { startClock, stopClock } from '../../../static/js/core/server-clock.js';
import { createProgressCounter } from '../../../static/js/imports/progress-counter.js';
import { advance, installFakes, removeFakes } from '../fakes.js';
import { createImport } from './factories.js';

const running = createImport({
  status: 'processing',
  duration_seconds: 10,
  seconds_left: 20,
  seconds_since_update: 0.5,
});

beforeEach(installFakes);
afterEach(() => {
  startClock();
  removeFakes();
});

test('the numbers count on from the version that the server sent', async () => {
  const counter = createProgressCounter(running);
  assert.deepEqual([counter.elapsedSeconds(), counter.secondsLeft()], [10.5, 19.5]);
  await advance(2000);
  assert.deepEqual([counter.elapsedSeconds(), counter.secondsLeft()], [12.5, 17.5]);
  counter.accept({ ...running, duration_seconds: 13, seconds_left: 30, seconds_since_update: 0 });
  assert.deepEqual([counter.elapsedSeconds(), counter.secondsLeft()], [13, 30]);
});

test('nothing counts while the server is unreachable, and the time that has passed counts afterwards', async () => {
  const counter = createProgressCounter(running);
  await advance(1000);
  stopClock();
  await advance(60_000);
  assert.deepEqual([counter.elapsedSeconds(), counter.secondsLeft()], [11.5, 18.5]);
  startClock();
  assert.deepEqual([counter.elapsedSeconds(), counter.secondsLeft()], [71.5, 0]);
});

test('the time left stops when the worker has been silent for a minute, and is never negative', async () => {
  const counter = createProgressCounter({ ...running, seconds_left: 600 });
  await advance(120_000);
  assert.equal(counter.secondsLeft(), 540);
  counter.accept({ ...running, seconds_left: 1 });
  await advance(5000);
  assert.equal(counter.secondsLeft(), 0);
});

test('a job that waits or has ended does not count', async () => {
  const queued = createProgressCounter(createImport({ seconds_since_update: 3 }));
  const ended = createProgressCounter(createImport({ status: 'completed', duration_seconds: 4 }));
  const checked = createProgressCounter(createImport({ status: 'awaiting_confirmation', duration_seconds: 4 }));
  await advance(5000);
  assert.deepEqual([queued.elapsedSeconds(), queued.secondsLeft()], [null, null]);
  assert.deepEqual([ended.elapsedSeconds(), ended.secondsLeft()], [4, null]);
  assert.deepEqual([checked.elapsedSeconds(), checked.secondsLeft()], [4, null]);
});
