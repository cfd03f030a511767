// One import as its screen needs it: what the stream tells, joined with what only the single job has (options, file,
// preview, log).

import { NetworkError, getJson } from '../core/api.js';
import { reconnected } from '../core/connection.js';
import { watchJob } from './job-watcher.js';
import { isFinal, mergeJob } from './job.js';

const DETAILS = ['options', 'file', 'preview', 'log', 'samples'];
const RETRY_MS = 500;
const MAX_TRIES = 4;

/**
 * @param {string} taskId
 * @param {object} listener
 * @param {(job: object) => void} listener.onChange gets the whole job; the first time once everything is known
 * @param {(error: Error) => void} listener.onMissing there is no such import
 * @param {(error: Error) => void} listener.onError it could not be loaded
 * @returns {{reload: () => Promise<void>, stop: () => void}} reload: after a call that changed it
 */
export function watchImport(taskId, { onChange, onMissing, onError }) {
  let live = null;
  let details = null;
  let loading = null;
  let isStopped = false;
  let stopWatching = () => {};

  const missing = (error) => {
    if (isStopped) return;
    stop();
    onMissing(error);
  };
  const publish = () => !isStopped && onChange({ ...live, ...details.fields });
  const watch = () => {
    stopWatching();
    stopWatching = watchJob(taskId, { onJob: accept, onMissing: missing });
  };
  function accept(job) {
    live = mergeJob(live, job);
    // Another state has other details; until they are here, what is shown stays.
    if (details?.key === keyOf(live)) publish();
    else load();
  }

  function load() {
    loading ??= fetchDetails().finally(() => {
      loading = null;
    });
    return loading;
  }
  async function fetchDetails() {
    for (let tries = 1; !isStopped; tries += 1) {
      try {
        const job = await getJson(`/api/imports/${encodeURIComponent(taskId)}`);
        const wasFinal = live !== null && isFinal(live);
        live = mergeJob(live, job);
        details = { key: keyOf(job), fields: Object.fromEntries(DETAILS.map((name) => [name, job[name] ?? null])) };
        if (wasFinal && !isFinal(live)) watch();
        if (details.key === keyOf(live) || tries === MAX_TRIES) return void publish();
      } catch (error) {
        if (error.status === 404) return missing(error);
        // Without a connection the banner says so, and `reconnected` loads again.
        if (error instanceof NetworkError || isStopped) return undefined;
        if (tries === MAX_TRIES) return void onError(error);
      }
      await new Promise((resolve) => {
        setTimeout(resolve, RETRY_MS);
      });
    }
    return undefined;
  }

  /** What a call has changed may be younger than what a running request will bring. */
  const reload = async () => {
    await loading;
    await load();
  };
  const stop = () => {
    isStopped = true;
    stopWatching();
    stopReconnect();
  };
  const stopReconnect = reconnected.subscribe(load);
  load();
  watch();
  return { reload, stop };
}

const keyOf = (job) => `${job.run ?? 1} ${job.status} ${job.phase === 'comparing'}`;
