// Follows jobs live: one stream for each, a poll every second where no stream is to be had, and back to the stream.

import { ApiError, NetworkError, getJson } from '../core/api.js';
import { isReachable, reconnected } from '../core/connection.js';
import { createSignal } from '../core/event-bus.js';
import { acquireStreamSlot } from '../core/stream-slots.js';
import { isFinal, isRunning, mergeJob } from './job.js';

const POLL_MS = 1_000;
const SLOWEST_POLL_MS = 10_000;
const STREAM_RETRY_MS = 5_000;
const FIRST_EVENT_MS = 5_000;
const SILENCE_MS = 15_000;
const CHECK_MS = 2_500;

const watchers = new Map();
let pollers = 0;

/**
 * Follows one job. Several callers share one connection.
 * @param {string} taskId
 * @param {{onJob: (job: object) => void, onMissing?: (error: ApiError) => void}} listener
 * @returns {() => void} stops following
 */
export function watchJob(taskId, listener) {
  let watcher = watchers.get(taskId);
  if (!watcher) {
    watcher = new Watcher(taskId);
    watchers.set(taskId, watcher);
    watcher.start();
  }
  let isActive = true;
  const stopUpdates = watcher.updated.subscribe(listener.onJob);
  const stopMissing = watcher.missing.subscribe((error) => listener.onMissing?.(error));
  if (watcher.job) queueMicrotask(() => isActive && listener.onJob(watcher.job));
  return () => {
    isActive = false;
    stopUpdates();
    stopMissing();
    if (watcher.updated.count() === 0) watcher.stop();
  };
}

class Watcher {
  constructor(taskId) {
    this.taskId = taskId;
    this.updated = createSignal();
    this.missing = createSignal();
    this.job = null;
    this.source = null;
    this.releaseSlot = null;
    this.connecting = false;
    this.pollTimer = 0;
    this.polling = false;
    this.failures = 0;
    this.stopped = false;
  }

  start() {
    this.lastEventAt = Date.now();
    this.nextStreamAt = 0;
    this.checkTimer = setInterval(() => this.check(), CHECK_MS);
    this.stopListening = reconnected.subscribe(() => {
      this.failures = 0;
      this.nextStreamAt = 0;
      this.check();
      if (this.polling) this.poll();
    });
    this.openStream();
  }

  stop() {
    this.stopped = true;
    clearInterval(this.checkTimer);
    this.stopListening();
    this.stopPolling();
    this.closeStream();
    if (watchers.get(this.taskId) === this) watchers.delete(this.taskId);
  }

  get url() {
    return `/api/upload/progress/${encodeURIComponent(this.taskId)}`;
  }

  async openStream() {
    if (this.source || this.connecting || this.stopped) return;
    this.connecting = true;
    this.nextStreamAt = Date.now() + STREAM_RETRY_MS;
    const release = await acquireStreamSlot();
    this.connecting = false;
    if (!release) return this.startPolling();
    if (this.stopped) return release();
    this.releaseSlot = release;
    this.openedAt = Date.now();
    this.source = new EventSource(`${this.url}/stream`);
    this.source.onmessage = (event) => this.onEvent(event);
    this.source.onerror = () => this.onStreamError();
  }

  onEvent(event) {
    this.lastEventAt = Date.now();
    this.stopPolling();
    let job;
    try {
      job = JSON.parse(event.data);
    } catch {
      return; // The next event, or the check, brings a whole one.
    }
    this.accept(job);
  }

  onStreamError() {
    // CLOSED: refused (503, 404); we try again later. CONNECTING: the browser reconnects by itself, the poll covers the
    // gap.
    if (this.source?.readyState === EventSource.CLOSED) this.closeStream();
    this.startPolling();
  }

  closeStream() {
    this.source?.close();
    this.source = null;
    this.releaseSlot?.();
    this.releaseSlot = null;
  }

  /** Notices streams that say nothing (a proxy that buffers) and goes back to the stream after a fallback. */
  check() {
    if (!isReachable()) return;
    const now = Date.now();
    if (!this.source) {
      if (now >= this.nextStreamAt) this.openStream();
      return;
    }
    const silentSince = Math.max(this.lastEventAt, this.openedAt);
    const silentLimit = this.lastEventAt < this.openedAt ? FIRST_EVENT_MS : SILENCE_MS;
    if (now - silentSince > silentLimit) this.startPolling();
  }

  startPolling() {
    if (this.polling || this.stopped) return;
    this.polling = true;
    pollers += 1;
    this.poll();
  }

  stopPolling() {
    if (!this.polling) return;
    this.polling = false;
    pollers -= 1;
    clearTimeout(this.pollTimer);
  }

  async poll() {
    clearTimeout(this.pollTimer);
    try {
      const job = await getJson(this.url);
      if (this.stopped) return;
      this.failures = 0;
      this.accept(job);
    } catch (error) {
      if (this.stopped) return;
      if (error instanceof ApiError && error.status === 404) return this.onMissing(error);
      if (!(error instanceof NetworkError)) this.failures += 1;
    }
    if (this.polling && !this.stopped) this.pollTimer = setTimeout(() => this.poll(), this.pollDelay());
  }

  /** Many polled jobs share about four requests a second; errors of the server slow them down further. */
  pollDelay() {
    // What waits for a person has nothing to tell for hours, on a stream that is alive, too.
    if (!isReachable() || (this.job && !isRunning(this.job))) return SLOWEST_POLL_MS;
    const shared = POLL_MS * Math.ceil(pollers / 4);
    return Math.min(SLOWEST_POLL_MS, shared * 2 ** Math.min(this.failures, 4));
  }

  accept(job) {
    const merged = mergeJob(this.job, job);
    if (merged === this.job) return;
    this.job = merged;
    this.updated.emit(merged);
    // The server ends the stream after the last state; an open EventSource would reconnect for ever.
    if (isFinal(merged)) this.stop();
  }

  onMissing(error) {
    this.stop();
    this.missing.emit(error);
  }
}
