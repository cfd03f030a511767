// Watch jobs live: through the stream that all tabs share, and by polling while it does not report a job.

import { ApiError, NetworkError, getJson } from '../core/api.js';
import { isReachable, reconnected } from '../core/connection.js';
import { createSignal } from '../core/event-bus.js';
import { importTopic } from '../core/event-stream.js';
import { liveEvents } from '../core/live-events.js';
import { isFinal, isRunning, mergeJob } from './job.js';

/** @import { Signal } from '../core/event-bus.js' */
/** @import { TopicFollower } from '../core/live-events.js' */
/** @import { ImportJob } from '../core/types.d.ts' */

const POLL_MS = 1_000;
const SLOWEST_POLL_MS = 10_000;
/** The delay between polls while the tab is hidden and the job waits for its confirmation. */
const HIDDEN_WAITING_POLL_MS = 60_000;
/** How many jobs are polled every `POLL_MS`. If there are more, each of them is polled less often. */
const JOBS_AT_FULL_SPEED = 4;
/** A running job is also polled if the stream is silent about it for this long, before its first event and later. */
const FIRST_EVENT_MS = 5_000;
const SILENCE_MS = 15_000;
const CHECK_MS = 2_500;

/** @type {Map<string, Watcher>} */
const watchers = new Map();
let pollingCount = 0;

/**
 * Watch a job until it ends. Several callers that watch the same job share one watcher.
 * @param {string} taskId
 * @param {object} listener
 * @param {(job: ImportJob) => void} listener.onJob called with every newer version of the job
 * @param {(error: ApiError) => void} [listener.onMissing] called if there is no such job
 * @returns {() => void} a function that stops watching
 */
export function watchJob(taskId, { onJob, onMissing = () => {} }) {
  const watcher = watchers.get(taskId) ?? startWatcher(taskId);
  let isActive = true;
  const stopUpdates = watcher.updated.subscribe(onJob);
  const stopMissing = watcher.missing.subscribe(onMissing);
  if (watcher.job) queueMicrotask(() => isActive && watcher.job && onJob(watcher.job));
  return () => {
    isActive = false;
    stopUpdates();
    stopMissing();
    if (watcher.updated.count() === 0) watcher.stop();
  };
}

/**
 * Pass on a job that an action or a request has returned, so that nobody waits for the stream to report it.
 * @param {ImportJob} job
 */
export function reportJob(job) {
  watchers.get(job.task_id)?.accept(job);
}

/** @param {string} taskId */
function startWatcher(taskId) {
  const watcher = new Watcher(taskId);
  watchers.set(taskId, watcher);
  watcher.start();
  return watcher;
}

/** Watches one job for all of its listeners. */
class Watcher {
  /** @type {Signal<ImportJob>} */
  updated = createSignal();
  /** @type {Signal<ApiError>} */
  missing = createSignal();
  /** @type {ImportJob | null} */
  job = null;

  #isPolling = false;
  #isStopped = false;
  #isWaiting = false;
  #pollTimer = 0;
  #pollCount = 0;
  #checkTimer = 0;
  #failures = 0;
  #watchedSince = 0;
  #lastEventAt = 0;
  /** @type {TopicFollower | null} */
  #follower = null;
  /** @type {(() => void)[]} */
  #stops = [];

  /** @param {string} taskId */
  constructor(taskId) {
    this.taskId = taskId;
    this.url = `/api/upload/progress/${encodeURIComponent(taskId)}`;
  }

  start() {
    this.#watchedSince = Date.now();
    this.#checkTimer = setInterval(() => this.#check(), CHECK_MS);
    this.#follower = liveEvents.follow(importTopic(this.taskId), { onEvent: (data) => this.#onEvent(data) });
    this.#stops = [
      liveEvents.statusChanged.subscribe(() => this.#check()),
      liveEvents.activated.subscribe(() => this.#poll()),
      reconnected.subscribe(() => {
        this.#failures = 0;
        this.#poll();
      }),
    ];
    this.#check();
  }

  stop() {
    this.#isStopped = true;
    clearInterval(this.#checkTimer);
    this.#stops.forEach((stop) => stop());
    this.#follower?.stop();
    this.#stopPolling();
    if (watchers.get(this.taskId) === this) watchers.delete(this.taskId);
  }

  /** @param {unknown} data the job, or null if there is none */
  #onEvent(data) {
    // The server knows no such job. The error of a request says so.
    if (!data) return void this.#poll();
    this.#lastEventAt = Date.now();
    this.accept(/** @type {ImportJob} */ (data));
    return this.#check();
  }

  /** Poll while the stream fails or is silent, or while the job waits for its confirmation and so needs no stream. */
  #check() {
    if (this.#isStopped || !isReachable()) return;
    // A job may wait for its confirmation for hours, and only a user changes it, so it does not keep a stream open.
    const isWaiting = this.job !== null && !isRunning(this.job);
    if (isWaiting !== this.#isWaiting) {
      this.#isWaiting = isWaiting;
      this.#watchedSince = Date.now();
      this.#follower?.setWanted(!isWaiting);
      this.#stopPolling();
    }
    const silentSince = Math.max(this.#lastEventAt, this.#watchedSince);
    const maxSilenceMs = this.#lastEventAt < this.#watchedSince ? FIRST_EVENT_MS : SILENCE_MS;
    const isSilent = Date.now() - silentSince > maxSilenceMs;
    if (isWaiting || isSilent || liveEvents.isFailing) this.#startPolling({ isLater: isWaiting });
    else this.#stopPolling();
  }

  /** @param {{isLater?: boolean}} [options] `isLater`: the job is up to date, so poll it after a while */
  #startPolling({ isLater = false } = {}) {
    if (this.#isPolling || this.#isStopped) return;
    this.#isPolling = true;
    pollingCount += 1;
    if (isLater) this.#pollTimer = setTimeout(() => this.#poll(), this.#pollDelayMs());
    else this.#poll();
  }

  #stopPolling() {
    if (!this.#isPolling) return;
    this.#isPolling = false;
    pollingCount -= 1;
    clearTimeout(this.#pollTimer);
  }

  async #poll() {
    clearTimeout(this.#pollTimer);
    this.#pollCount += 1;
    const number = this.#pollCount;
    try {
      /** @type {ImportJob} */
      const job = await getJson(this.url);
      if (this.#isStopped) return;
      this.#failures = 0;
      this.accept(job);
    } catch (error) {
      if (this.#isStopped) return;
      if (error instanceof ApiError && error.status === 404) return void this.#reportMissing(error);
      if (!(error instanceof NetworkError)) this.#failures += 1;
    }
    // If several polls run at the same time, only the latest one schedules the next.
    if (!this.#isPolling || this.#isStopped || number !== this.#pollCount) return;
    this.#pollTimer = setTimeout(() => this.#poll(), this.#pollDelayMs());
  }

  /** Return the delay before the next poll. It grows with the number of polled jobs, and after errors. */
  #pollDelayMs() {
    if (!liveEvents.isActive) return this.#isWaiting ? HIDDEN_WAITING_POLL_MS : SLOWEST_POLL_MS;
    if (!isReachable() || this.#isWaiting) return SLOWEST_POLL_MS;
    const delayMs = POLL_MS * Math.ceil(pollingCount / JOBS_AT_FULL_SPEED);
    return Math.min(SLOWEST_POLL_MS, delayMs * 2 ** Math.min(this.#failures, 4));
  }

  /**
   * Accept a version of the job from the stream, a poll or another request.
   * @param {ImportJob} job
   */
  accept(job) {
    const merged = mergeJob(this.job, job);
    if (merged === this.job || this.#isStopped) return;
    this.job = merged;
    this.updated.emit(merged);
    if (isFinal(merged)) this.stop();
    else this.#check();
  }

  /** @param {ApiError} error */
  #reportMissing(error) {
    this.stop();
    this.missing.emit(error);
  }
}
