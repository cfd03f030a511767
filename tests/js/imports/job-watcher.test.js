import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { watchJob } from '../../../static/js/imports/job-watcher.js';
import { createImport, timeAt } from './factories.js';
import { FakeEventSource, advance, installFakes, removeFakes, server, settle } from './fakes.js';

/** @import { ImportJob } from '../../../static/js/core/types.d.ts' */

/** @type {(() => void)[]} */
let stops = [];

beforeEach(() => {
  installFakes();
  stops = [];
});

afterEach(() => {
  stops.forEach((stop) => stop());
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
  await settle();
  return { progress, missing, stop };
}

/**
 * @param {number} progress
 * @param {Partial<ImportJob>} [changes]
 */
const version = (progress, changes = {}) =>
  createImport({ status: 'processing', phase: 'writing', progress, updated_at: timeAt(progress), ...changes });

/** Return the only open stream. */
function stream() {
  const [source, ...others] = FakeEventSource.open();
  assert.ok(source);
  assert.equal(others.length, 0);
  return source;
}

test('all callers share one stream, which closes after the last one', async () => {
  const first = await watch();
  stream().send(version(10));
  const second = await watch();
  assert.equal(stream().url, '/api/upload/progress/a/stream');
  stream().send(version(20));
  assert.deepEqual(first.progress, [10, 20]);
  assert.deepEqual(second.progress, [10, 20]);
  first.stop();
  stream().send(version(30));
  assert.deepEqual(first.progress, [10, 20]);
  assert.deepEqual(second.progress, [10, 20, 30]);
  second.stop();
  assert.equal(FakeEventSource.open().length, 0);
});

test('a caller that stops at once gets nothing', async () => {
  const first = await watch();
  stream().send(version(10));
  /** @type {number[]} */
  const progress = [];
  watchJob('a', { onJob: (job) => progress.push(job.progress) })();
  await settle();
  assert.deepEqual(progress, []);
  assert.deepEqual(first.progress, [10]);
});

test('older versions and broken events are ignored', async () => {
  const { progress } = await watch();
  stream().send(version(20));
  stream().send(version(10));
  stream().onmessage({ data: 'half an ev' });
  stream().send(version(30));
  assert.deepEqual(progress, [20, 30]);
});

test('the stream of a job that has ended is closed', async () => {
  const { progress } = await watch();
  stream().send(version(100, { status: 'completed' }));
  assert.deepEqual(progress, [100]);
  assert.equal(FakeEventSource.open().length, 0);
  await advance(20_000);
  assert.deepEqual(server.requests, []);
});

test('a job is polled while the server refuses its stream', async () => {
  let progress = 0;
  server.answer = () => {
    progress += 1;
    return { status: 200, body: version(progress) };
  };
  const watched = await watch();
  stream().refuse();
  await settle();
  await advance(3_000);
  assert.deepEqual(watched.progress, [1, 2, 3, 4]);
  assert.equal(server.requests[0], '/api/upload/progress/a');
  // The stream is opened again after a while, and its first event ends the polling.
  await advance(5_000);
  stream().send(version(50));
  const count = server.requests.length;
  await advance(3_000);
  assert.equal(server.requests.length, count);
  assert.equal(watched.progress.at(-1), 50);
});

test('a stream that stays silent is polled, too', async () => {
  await watch();
  await advance(5_000);
  assert.deepEqual(server.requests, []);
  await advance(5_000);
  assert.ok(server.requests.length > 0);
  assert.equal(FakeEventSource.open().length, 1);
});

test('an unknown job is reported and not requested again', async () => {
  server.answer = () => ({ status: 404, body: { error: 'There is no such import.', code: 'not_found', status: 404 } });
  const { missing } = await watch();
  stream().refuse();
  await settle();
  assert.deepEqual(missing, ['There is no such import.']);
  await advance(20_000);
  assert.equal(server.requests.length, 1);
});

test('more jobs than there are streams are polled', async () => {
  server.answer = (path) => ({ status: 200, body: version(1, { task_id: path.slice(-1) }) });
  for (const taskId of ['a', 'b', 'c']) await watch(taskId);
  assert.equal(FakeEventSource.open().length, 2);
  assert.deepEqual(server.requests, ['/api/upload/progress/c']);
});

test('errors of the server slow the polling down', async () => {
  server.answer = () => ({ status: 500, body: { error: 'Broken.', code: 'internal_error', status: 500 } });
  await watch();
  stream().refuse();
  await settle();
  assert.equal(server.requests.length, 1);
  await advance(2_000);
  assert.equal(server.requests.length, 2);
  await advance(3_900);
  assert.equal(server.requests.length, 2);
  await advance(100);
  assert.equal(server.requests.length, 3);
});

test('a job that waits for its confirmation is polled rarely', async () => {
  server.answer = () => ({ status: 200, body: version(50, { status: 'awaiting_confirmation' }) });
  await watch();
  stream().refuse();
  await settle();
  await advance(9_000);
  assert.equal(server.requests.length, 1);
  await advance(1_000);
  assert.equal(server.requests.length, 2);
});
