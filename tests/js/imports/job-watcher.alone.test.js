import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { liveEvents } from '../../../static/js/core/live-events.js';
import { reportJob, watchJob } from '../../../static/js/imports/job-watcher.js';
import {
  ELECTION_MS,
  FakeEventSource,
  advance,
  installFakes,
  onlyStream,
  removeFakes,
  server,
  settle,
} from '../fakes.js';
import { createImport, timeAt } from './factories.js';

/** @import { ImportJob } from '../../../static/js/core/types.d.ts' */

/** @type {(() => void)[]} */
let stops = [];

beforeEach(() => {
  installFakes();
  stops = [];
});

afterEach(() => {
  stops.forEach((stop) => stop());
  liveEvents.setActive(true);
  removeFakes();
});

/**
 * Watch a job and record the progress of each version.
 * @param {string} [taskId]
 */
async function watch(taskId = 'a') {
  /** @type {number[]} */
  const progress = [];
  /** @type {string[]} */
  const missing = [];
  const stop = watchJob(taskId, {
    onJob: (job) => progress.push(job.progress),
    onMissing: (error) => missing.push(error.message),
  });
  stops.push(stop);
  await advance(ELECTION_MS);
  return { progress, missing, stop };
}

/**
 * @param {number} progress
 * @param {Partial<ImportJob>} [changes]
 */
const version = (progress, changes = {}) =>
  createImport({
    task_id: 'a',
    status: 'processing',
    phase: 'writing',
    progress,
    updated_at: timeAt(progress),
    ...changes,
  });

const WAITING = version(50, { status: 'awaiting_confirmation' });

/**
 * Let the stream report a job.
 * @param {ImportJob} job
 */
const send = (job) => onlyStream().send('import', job);

test('all callers share one watcher, and the stream closes after the last one', async () => {
  const first = await watch();
  assert.equal(onlyStream().url, '/api/events?imports=a');
  onlyStream().ready();
  send(version(10));
  const second = await watch();
  send(version(20));
  assert.deepEqual(first.progress, [10, 20]);
  assert.deepEqual(second.progress, [10, 20]);
  first.stop();
  send(version(30));
  assert.deepEqual(first.progress, [10, 20]);
  assert.deepEqual(second.progress, [10, 20, 30]);
  second.stop();
  assert.equal(FakeEventSource.open().length, 0);
});

test('several jobs share one stream', async () => {
  const first = await watch('a');
  onlyStream().ready();
  const second = await watch('b');
  FakeEventSource.open()[1]?.ready();
  assert.equal(onlyStream().url, '/api/events?imports=a,b');
  send(version(10, { task_id: 'b' }));
  send(version(20, { task_id: 'a' }));
  assert.deepEqual([first.progress, second.progress], [[20], [10]]);
  assert.deepEqual(server.requests, []);
});

test('a caller that stops at once gets nothing', async () => {
  const first = await watch();
  send(version(10));
  /** @type {number[]} */
  const progress = [];
  watchJob('a', { onJob: (job) => progress.push(job.progress) })();
  await settle();
  assert.deepEqual(progress, []);
  assert.deepEqual(first.progress, [10]);
});

test('older versions are ignored', async () => {
  const { progress } = await watch();
  send(version(20));
  send(version(10));
  send(version(30));
  assert.deepEqual(progress, [20, 30]);
});

test('the stream of a job that has ended is closed', async () => {
  const { progress } = await watch();
  send(version(100, { status: 'completed' }));
  assert.deepEqual(progress, [100]);
  assert.equal(FakeEventSource.open().length, 0);
  await advance(20_000);
  assert.deepEqual(server.requests, []);
});

test('a job is polled while the server refuses the stream', async () => {
  let progress = 0;
  server.answer = () => {
    progress += 1;
    return { status: 200, body: version(progress) };
  };
  const watched = await watch();
  onlyStream().fail();
  await settle();
  await advance(1_900);
  assert.deepEqual(watched.progress, [1, 2]);
  assert.equal(server.requests[0], '/api/upload/progress/a');
  // The stream is opened again after a while, and its first event ends the polling.
  await advance(200);
  onlyStream().ready();
  send(version(50));
  const count = server.requests.length;
  await advance(3_000);
  assert.equal(server.requests.length, count);
  assert.equal(watched.progress.at(-1), 50);
});

test('a job about which the stream is silent is polled, too', async () => {
  server.answer = () => ({ status: 200, body: version(10) });
  await watch();
  onlyStream().ready();
  await advance(4_000);
  assert.deepEqual(server.requests, []);
  onlyStream().send('ping');
  await advance(4_000);
  assert.ok(server.requests.length > 0);
  assert.equal(FakeEventSource.open().length, 1);
});

test('an unknown job is reported and not requested again', async () => {
  server.answer = () => ({ status: 404, body: { error: 'There is no such import.', code: 'not_found', status: 404 } });
  const { missing } = await watch();
  onlyStream().ready(['a']);
  await settle();
  assert.deepEqual(missing, ['There is no such import.']);
  await advance(20_000);
  assert.equal(server.requests.length, 1);
  assert.equal(FakeEventSource.open().length, 0);
});

test('errors of the server slow the polling down', async () => {
  server.answer = () => ({ status: 500, body: { error: 'Broken.', code: 'internal_error', status: 500 } });
  await watch();
  onlyStream().fail();
  await settle();
  assert.equal(server.requests.length, 1);
  await advance(2_000);
  assert.equal(server.requests.length, 2);
  onlyStream().fail();
  await advance(3_900);
  assert.equal(server.requests.length, 2);
  await advance(100);
  assert.equal(server.requests.length, 3);
});

test('a job that waits for its confirmation needs no stream and is polled rarely', async () => {
  server.answer = () => ({ status: 200, body: WAITING });
  await watch();
  send(WAITING);
  await settle();
  assert.equal(FakeEventSource.open().length, 0);
  await advance(9_900);
  assert.deepEqual(server.requests, []);
  await advance(100);
  assert.equal(server.requests.length, 1);
  await advance(10_000);
  assert.equal(server.requests.length, 2);
});

test('a confirmed job is followed again at once', async () => {
  const { progress } = await watch();
  send(WAITING);
  await advance(5_000);
  reportJob(version(60));
  await advance(ELECTION_MS);
  onlyStream().ready();
  send(version(70));
  assert.deepEqual(progress, [50, 60, 70]);
  await advance(10_000);
  assert.deepEqual(server.requests, []);
});

test('a hidden tab polls slowly, and one that becomes visible polls at once', async () => {
  server.answer = () => ({ status: 200, body: version(20) });
  const { progress } = await watch();
  send(version(10));
  liveEvents.setActive(false);
  assert.equal(FakeEventSource.open().length, 0);
  await advance(40_000);
  assert.ok(server.requests.length >= 2 && server.requests.length <= 4, String(server.requests.length));
  const count = server.requests.length;
  server.answer = () => ({ status: 200, body: version(30) });
  liveEvents.setActive(true);
  await settle();
  assert.equal(server.requests.length, count + 1);
  assert.deepEqual([...new Set(progress)], [10, 20, 30]);
  await advance(ELECTION_MS);
  onlyStream().ready();
  send(version(40));
  await advance(10_000);
  assert.equal(server.requests.length, count + 1);
});
