import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import {
  findJobs,
  followJob,
  jobEnded,
  runningJobs,
  runningJobsChanged,
  waitingImports,
} from '../../../static/js/imports/running-jobs.js';
import { ELECTION_MS, advance, installFakes, onlyStream, removeFakes, server, settle } from '../fakes.js';
import { createBulkJob, createImport, timeAt } from './factories.js';

/** @import { ImportJob } from '../../../static/js/core/types.d.ts' */

const ids = () => runningJobs().map((job) => job.task_id);

/** @param {ImportJob[]} imports */
const answerWith = (...imports) => {
  server.answer = (path) =>
    path.startsWith('/api/imports?') ? { status: 200, body: { imports } } : { status: 404, body: {} };
};

beforeEach(installFakes);

afterEach(removeFakes);

test('running jobs are found once, followed until they end, and reported then', async () => {
  /** @type {string[]} */
  const ended = [];
  let changes = 0;
  const stops = [
    jobEnded.subscribe((job) => ended.push(`${job.task_id} ${job.status}`)),
    runningJobsChanged.subscribe(() => {
      changes += 1;
    }),
  ];
  const job = createBulkJob({}, { task_id: 'a', status: 'processing', started_by: 'Ada' });
  answerWith(createImport({ task_id: 'old', status: 'completed' }), job);
  await findJobs();
  await findJobs();
  followJob(job);
  assert.deepEqual(ids(), ['a']);
  await advance(ELECTION_MS);
  onlyStream().ready();
  onlyStream().send('import', { ...job, progress: 40, step_progress: 40, updated_at: timeAt(1) });
  await settle();
  assert.equal(runningJobs()[0]?.step_progress, 40);
  const before = changes;
  onlyStream().send('import', { ...job, status: 'cancelled', updated_at: timeAt(2) });
  await settle();
  assert.deepEqual([ids(), ended], [[], ['a cancelled']]);
  assert.ok(changes > before);
  stops.forEach((stop) => stop());
});

test('an import that waits for its confirmation is not followed, and has not ended', async () => {
  let ended = 0;
  const stop = jobEnded.subscribe(() => {
    ended += 1;
  });
  const job = createImport({ task_id: 'b', status: 'processing' });
  answerWith(job);
  await findJobs();
  await advance(ELECTION_MS);
  onlyStream().ready();
  onlyStream().send('import', { ...job, status: 'awaiting_confirmation', updated_at: timeAt(1) });
  await settle();
  assert.deepEqual([ids(), waitingImports().map(({ task_id: id }) => id), ended], [[], ['b'], 0]);
  stop();
});

test('a job that does not exist any more is forgotten, and a failed request changes nothing', async () => {
  const job = createImport({ task_id: 'c', status: 'processing' });
  answerWith(job);
  await findJobs();
  server.answer = () => ({ status: 500, body: { error: 'Something went wrong.' } });
  await findJobs();
  assert.deepEqual(ids(), ['c']);
  answerWith();
  await advance(ELECTION_MS);
  onlyStream().ready(['c']);
  await settle();
  assert.deepEqual(ids(), []);
});
