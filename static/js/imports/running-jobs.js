// The jobs that are running or wait for their confirmation, as every screen of the page knows them.

import { getJson } from '../core/api.js';
import { createSignal } from '../core/event-bus.js';
import { parseTime } from '../core/format.js';
import { watchJob } from './job-watcher.js';
import { isFinal, isRunning } from './job.js';

/** @import { Signal } from '../core/event-bus.js' */
/** @import { ImportJob, Imports } from '../core/types.d.ts' */
/** @import { RunningJob } from './background-summary.js' */

const LATEST_JOBS = 50;

/** @type {Map<string, RunningJob>} */
const running = new Map();
/** @type {ImportJob[]} */
let waiting = [];
/** When the newest known job was created. The first list has no job that is new to somebody. */
let newestCreation = Infinity;
/**
 * The runs of jobs whose ends were reported.
 * @type {Set<string>}
 */
const reported = new Set();

/**
 * A job has started, has made progress, waits for its confirmation, or has ended.
 * @type {Signal<void>}
 */
export const runningJobsChanged = createSignal();

/**
 * A job has ended since the page was opened.
 * @type {Signal<ImportJob>}
 */
export const jobEnded = createSignal();

/** Return the jobs that are running, in the order in which they were found. */
export const runningJobs = () => [...running.values()];

/** Return the imports that wait for their confirmation. */
export const waitingImports = () => waiting;

/** Find the jobs that are running or waiting among the latest ones. */
export async function findJobs() {
  try {
    /** @type {Imports} */
    const { imports } = await getJson('/api/imports', { query: { page: 1, per_page: LATEST_JOBS } });
    imports.filter(isRunning).forEach(followJob);
    waiting = imports.filter((job) => job.status === 'awaiting_confirmation');
    // A small job may have ended before the page heard of it.
    imports.filter((job) => isFinal(job) && parseTime(job.created_at) > newestCreation).forEach(reportEnd);
    newestCreation = Math.max(-Infinity, ...imports.map((job) => parseTime(job.created_at)));
  } catch {
    // What shows these jobs is optional, and the current screen reports what is wrong.
  }
  runningJobsChanged.emit();
}

/**
 * Watch a job until it ends or waits for its confirmation.
 * @param {RunningJob} job
 */
export function followJob(job) {
  const id = job.task_id;
  if (running.has(id)) return;
  running.set(id, job);
  const end = () => {
    running.delete(id);
    stop();
    runningJobsChanged.emit();
  };
  /** @param {ImportJob} latest */
  const onJob = (latest) => {
    if (isRunning(latest)) {
      running.set(id, latest);
      return runningJobsChanged.emit();
    }
    // An import may wait for hours, and need not be watched for so long.
    if (!isFinal(latest)) waiting = [...waiting.filter((known) => known.task_id !== id), latest];
    end();
    return isFinal(latest) ? reportEnd(latest) : undefined;
  };
  const stop = watchJob(id, { onJob, onMissing: end });
  runningJobsChanged.emit();
}

/** @param {ImportJob} job */
function reportEnd(job) {
  const run = `${job.task_id} ${job.run}`;
  if (reported.has(run)) return;
  reported.add(run);
  jobEnded.emit(job);
}
