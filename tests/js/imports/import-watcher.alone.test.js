import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { watchImport } from '../../../static/js/imports/import-watcher.js';
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
import { createCheckedImport, createPreview, timeAt } from './factories.js';

/** @import { ImportDetail } from '../../../static/js/core/types.d.ts' */

const READING = createCheckedImport({
  task_id: 'a',
  status: 'processing',
  phase: 'reading',
  progress: 10,
  updated_at: timeAt(1),
});
const READY = createCheckedImport({
  task_id: 'a',
  status: 'awaiting_confirmation',
  phase: 'comparing',
  progress: 50,
  preview: createPreview({ create: 2 }),
  updated_at: timeAt(5),
});

/** @type {ReturnType<typeof watchImport>} */
let watcher;
/** @type {ImportDetail[]} */
let shown;
/** @type {string[]} */
let problems;

beforeEach(() => {
  installFakes();
  shown = [];
  problems = [];
});

afterEach(() => {
  watcher.stop();
  removeFakes();
});

/** @param {ImportDetail} job the answer of the server */
async function watch(job = READING) {
  server.answer = () => ({ status: 200, body: job });
  watcher = watchImport('a', {
    onChange: (latest) => shown.push(latest),
    onMissing: (error) => problems.push(`missing: ${error.message}`),
    onError: (error) => problems.push(`error: ${error}`),
  });
  await advance(ELECTION_MS);
}

/**
 * Let the stream report a job.
 * @param {object} job
 */
const send = (job) => onlyStream().send('import', job);

test('the first change has all details', async () => {
  await watch(READY);
  assert.deepEqual(server.requests, ['/api/imports/a']);
  assert.equal(shown.length, 1);
  assert.equal(shown[0]?.preview?.create, 2);
});

test('an event in the same state keeps the details', async () => {
  await watch();
  send({ ...READING, progress: 20, updated_at: timeAt(2), options: undefined });
  assert.equal(shown.at(-1)?.progress, 20);
  assert.equal(shown.at(-1)?.options.preview, true);
  assert.equal(server.requests.length, 1);
});

test('an event in another state is shown once its details are loaded', async () => {
  await watch();
  server.answer = () => ({ status: 200, body: READY });
  send({ ...READY, preview: undefined });
  assert.equal(shown.at(-1)?.status, 'processing');
  await settle();
  assert.equal(shown.at(-1)?.status, 'awaiting_confirmation');
  assert.equal(shown.at(-1)?.preview?.create, 2);
});

test('details that are older than the event are requested again', async () => {
  await watch();
  send({ ...READY, preview: undefined });
  await settle();
  assert.equal(shown.at(-1)?.status, 'processing');
  server.answer = () => ({ status: 200, body: READY });
  await advance(500);
  assert.equal(shown.at(-1)?.status, 'awaiting_confirmation');
});

test('a reload waits for a running request and then sends another one', async () => {
  await watch();
  /** @type {(answer: {status: number, body: unknown}) => void} */
  let finish = () => {};
  server.answer = () =>
    new Promise((resolve) => {
      finish = resolve;
    });
  send({ ...READY, preview: undefined });
  await settle();
  const reloaded = watcher.reload();
  await settle();
  assert.equal(server.requests.length, 2);
  finish({ status: 200, body: READY });
  await settle();
  assert.equal(server.requests.length, 3);
  finish({ status: 200, body: READY });
  await reloaded;
});

test('a retried import is watched again', async () => {
  await watch(createCheckedImport({ task_id: 'a', status: 'failed', updated_at: timeAt(3) }));
  assert.equal(FakeEventSource.open().length, 0);
  server.answer = () => ({ status: 200, body: createCheckedImport({ task_id: 'a', run: 2, updated_at: timeAt(9) }) });
  await watcher.reload();
  await advance(ELECTION_MS);
  assert.equal(shown.at(-1)?.run, 2);
  assert.equal(FakeEventSource.open().length, 1);
});

test('a missing import is reported once', async () => {
  await watch();
  server.answer = () => ({ status: 404, body: { error: 'There is no such import.', code: 'not_found', status: 404 } });
  await watcher.reload();
  await watcher.reload();
  assert.deepEqual(problems, ['missing: There is no such import.']);
  assert.equal(FakeEventSource.open().length, 0);
});

test('an error is reported after several tries', async () => {
  await watch();
  server.answer = () => ({ status: 500, body: { error: 'Broken.', code: 'internal_error', status: 500 } });
  const reloaded = watcher.reload();
  await settle();
  await advance(1_400);
  assert.deepEqual(problems, []);
  await advance(100);
  await reloaded;
  assert.deepEqual(problems, ['error: ApiError: Broken.']);
  assert.equal(server.requests.length, 1 + 4);
});
