// Watch one import for its screen: merge the live job of the stream with the details that only a request for the import
// returns (options, file, notices, preview, log, samples).

import { ApiError, NetworkError, getJson } from '../core/api.js';
import { reconnected } from '../core/connection.js';
import { importApiPath } from './job-actions.js';
import { reportJob, watchJob } from './job-watcher.js';
import { isFinal, mergeJob } from './job.js';

/** @import { ImportDetail, ImportJob } from '../core/types.d.ts' */

/**
 * @typedef {Pick<ImportDetail, 'options' | 'file' | 'notices' | 'preview' | 'log' | 'samples' | 'fixes_count'>} Details
 */

const RETRY_MS = 500;
const MAX_TRIES = 4;

/**
 * Watch an import until `stop` is called.
 * @param {string} taskId
 * @param {object} listener
 * @param {(job: ImportDetail) => void} listener.onChange first called when all details are known
 * @param {(error: ApiError) => void} listener.onMissing called if there is no such import
 * @param {(error: unknown) => void} listener.onError called if the import could not be loaded
 * @returns {{reload: () => Promise<void>, stop: () => void}} `reload` fetches the details again after an action
 */
export function watchImport(taskId, { onChange, onMissing, onError }) {
  /** @type {ImportJob | null} */
  let live = null;
  /** @type {{key: string, fields: Details} | null} */
  let details = null;
  /** @type {Promise<void> | null} */
  let loading = null;
  let isStopped = false;
  let stopWatching = () => {};

  /** @param {ApiError} error */
  const reportMissing = (error) => {
    if (isStopped) return;
    stop();
    onMissing(error);
  };
  /**
   * @param {ImportJob} job
   * @param {Details} fields
   */
  const publish = (job, fields) => {
    if (!isStopped) onChange({ ...job, ...fields });
  };
  const watch = () => {
    stopWatching();
    stopWatching = watchJob(taskId, { onJob: accept, onMissing: reportMissing });
  };
  /** @param {ImportJob} job */
  function accept(job) {
    live = mergeJob(live, job);
    // Another state has other details. Until they are loaded, the screen keeps what it shows.
    if (details?.key === detailsKey(live)) publish(live, details.fields);
    else load();
  }

  function load() {
    loading ??= fetchDetails().finally(() => {
      loading = null;
    });
    return loading;
  }

  /** Fetch the details until they fit the live job, at most `MAX_TRIES` times. */
  async function fetchDetails() {
    for (let tries = 1; !isStopped; tries += 1) {
      try {
        /** @type {ImportDetail} */
        const job = await getJson(importApiPath(taskId));
        reportJob(job);
        const wasFinal = live !== null && isFinal(live);
        live = mergeJob(live, job);
        details = { key: detailsKey(job), fields: detailsOf(job) };
        if (wasFinal && !isFinal(live)) watch();
        if (details.key === detailsKey(live) || tries === MAX_TRIES) return publish(live, details.fields);
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return reportMissing(error);
        // Without a connection a banner says so, and `reconnected` loads again.
        if (error instanceof NetworkError || isStopped) return undefined;
        if (tries === MAX_TRIES) return onError(error);
      }
      await new Promise((resolve) => {
        setTimeout(resolve, RETRY_MS);
      });
    }
    return undefined;
  }

  /** A request that is already running may miss what an action has changed, so wait for it and start another one. */
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

/**
 * @param {ImportDetail} job
 * @returns {Details}
 */
const detailsOf = ({ options, file, notices, preview, log, samples, fixes_count }) => ({
  options,
  file,
  notices,
  preview,
  log,
  samples,
  fixes_count,
});

/**
 * Return a key that changes whenever the details have to be fetched again.
 * @param {ImportJob} job
 */
const detailsKey = (job) => `${job.run} ${job.status} ${job.phase}`;
