// Watch jobs live: one stream for each job, and polling while a stream is not available.

import { ApiError, NetworkError, getJson } from '../core/api.js';
import { isReachable, reconnected } from '../core/connection.js';
import { createSignal } from '../core/event-bus.js';
import { acquireStreamSlot } from '../core/stream-slots.js';
import { isFinal, isRunning, mergeJob } from './job.js';

/** @import { Signal } from '../core/event-bus.js' */
/** @import { ImportJob } from '../core/types.d.ts' */

const POLL_MS = 1_000;
const SLOWEST_POLL_MS = 10_000;
/** How many jobs are polled every `POLL_MS`. If there are more, each of them is polled less often. */
const JOBS_AT_FULL_SPEED = 4;
const STREAM_RETRY_MS = 5_000;
/** How long a stream may be silent, before and after its first event, until the job is also polled. */
const FIRST_EVENT_MS = 5_000;
const SILENCE_MS = 15_000;
const CHECK_MS = 2_500;

/** @type {Map<string, Watcher>} */
const watchers = new Map();
let pollingCount = 0;

/**
 * Watch a job until it ends. Several callers that watch the same job share one connection.
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

  /** @type {EventSource | null} */
  #source = null;
  /** @type {(() => void) | null} */
  #releaseSlot = null;
  #isConnecting = false;
  #isPolling = false;
  #isStopped = false;
  #pollTimer = 0;
  #checkTimer = 0;
  #failures = 0;
  #openedAt = 0;
  #lastEventAt = 0;
  #nextStreamAt = 0;
  #stopListening = () => {};

  /** @param {string} taskId */
  constructor(taskId) {
    this.taskId = taskId;
    this.url = `/api/upload/progress/${encodeURIComponent(taskId)}`;
  }

  start() {
    this.#checkTimer = setInterval(() => this.#check(), CHECK_MS);
    this.#stopListening = reconnected.subscribe(() => {
      this.#failures = 0;
      this.#nextStreamAt = 0;
      this.#check();
      if (this.#isPolling) this.#poll();
    });
    this.#openStream();
  }

  stop() {
    this.#isStopped = true;
    clearInterval(this.#checkTimer);
    this.#stopListening();
    this.#stopPolling();
    this.#closeStream();
    if (watchers.get(this.taskId) === this) watchers.delete(this.taskId);
  }

  async #openStream() {
    if (this.#source || this.#isConnecting || this.#isStopped) return;
    this.#isConnecting = true;
    this.#nextStreamAt = Date.now() + STREAM_RETRY_MS;
    const release = await acquireStreamSlot();
    this.#isConnecting = false;
    if (!release) return void this.#startPolling();
    if (this.#isStopped) return void release();
    this.#releaseSlot = release;
    this.#openedAt = Date.now();
    this.#source = new EventSource(`${this.url}/stream`);
    this.#source.onmessage = (event) => this.#onEvent(event);
    this.#source.onerror = () => this.#onStreamError();
  }

  /** @param {MessageEvent} event */
  #onEvent(event) {
    this.#lastEventAt = Date.now();
    this.#stopPolling();
    let job;
    try {
      job = JSON.parse(event.data);
    } catch {
      return; // The next event brings the complete job again.
    }
    this.#accept(job);
  }

  #onStreamError() {
    // CLOSED: the server refused the stream (503, 404), so it is opened again later. CONNECTING: the browser reconnects
    // by itself. Polling bridges the gap in both cases.
    if (this.#source?.readyState === EventSource.CLOSED) this.#closeStream();
    this.#startPolling();
  }

  #closeStream() {
    this.#source?.close();
    this.#source = null;
    this.#releaseSlot?.();
    this.#releaseSlot = null;
  }

  /** Open a stream again after its retry delay, and poll while a stream is silent: a proxy may buffer its events. */
  #check() {
    if (!isReachable()) return;
    const now = Date.now();
    if (!this.#source) {
      if (now >= this.#nextStreamAt) this.#openStream();
      return;
    }
    const silentSince = Math.max(this.#lastEventAt, this.#openedAt);
    const maxSilenceMs = this.#lastEventAt < this.#openedAt ? FIRST_EVENT_MS : SILENCE_MS;
    if (now - silentSince > maxSilenceMs) this.#startPolling();
  }

  #startPolling() {
    if (this.#isPolling || this.#isStopped) return;
    this.#isPolling = true;
    pollingCount += 1;
    this.#poll();
  }

  #stopPolling() {
    if (!this.#isPolling) return;
    this.#isPolling = false;
    pollingCount -= 1;
    clearTimeout(this.#pollTimer);
  }

  async #poll() {
    clearTimeout(this.#pollTimer);
    try {
      /** @type {ImportJob} */
      const job = await getJson(this.url);
      if (this.#isStopped) return;
      this.#failures = 0;
      this.#accept(job);
    } catch (error) {
      if (this.#isStopped) return;
      if (error instanceof ApiError && error.status === 404) return void this.#reportMissing(error);
      if (!(error instanceof NetworkError)) this.#failures += 1;
    }
    if (this.#isPolling && !this.#isStopped) this.#pollTimer = setTimeout(() => this.#poll(), this.#pollDelayMs());
  }

  /** Return the delay before the next poll. Together, all jobs are polled four times a second, less after errors. */
  #pollDelayMs() {
    // A job that waits for its confirmation may not change for hours.
    if (!isReachable() || (this.job && !isRunning(this.job))) return SLOWEST_POLL_MS;
    const delayMs = POLL_MS * Math.ceil(pollingCount / JOBS_AT_FULL_SPEED);
    return Math.min(SLOWEST_POLL_MS, delayMs * 2 ** Math.min(this.#failures, 4));
  }

  /** @param {ImportJob} job */
  #accept(job) {
    const merged = mergeJob(this.job, job);
    if (merged === this.job) return;
    this.job = merged;
    this.updated.emit(merged);
    // The server closes the stream after a final status. An open EventSource would reconnect again and again.
    if (isFinal(merged)) this.stop();
  }

  /** @param {ApiError} error */
  #reportMissing(error) {
    this.stop();
    this.missing.emit(error);
  }
}
