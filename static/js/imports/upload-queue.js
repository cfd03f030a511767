// Upload files one after another. This uses XMLHttpRequest, because fetch does not report the progress of an upload.

import { ApiError, NetworkError, fetchWho, isSessionMissing, messageOf, nextStep, readAnswer } from '../core/api.js';
import { createSignal } from '../core/event-bus.js';
import { t } from '../core/i18n.js';
import { currentWho, renewSession } from '../core/session.js';

/** @import { Signal } from '../core/event-bus.js' */
/** @import { Uploaded } from '../core/types.d.ts' */

const SPEED_WINDOW_MS = 4_000;
const SPEED_MIN_SPAN_MS = 300;

/**
 * A file on its way to the server.
 * @typedef {object} Upload
 * @property {number} id
 * @property {File} file
 * @property {Record<string, string>} fields the options of the import
 * @property {'waiting'|'sending'|'storing'|'done'|'failed'|'cancelled'} state
 * @property {number} loaded bytes sent
 * @property {number} total bytes to send
 * @property {number} bytesPerSecond
 * @property {string} [taskId] of the import, once the file is stored
 * @property {string} [error]
 * @property {string} [hint] what to do about the error
 * @property {boolean} [retryable]
 */

/** @type {Upload[]} */
const uploads = [];
let lastId = 0;
/** @type {{upload: Upload, request: XMLHttpRequest} | null} */
let active = null;

/**
 * Return the uploads that have not ended, and the failed ones that were not dismissed.
 * @returns {Upload[]}
 */
export const currentUploads = () => uploads.slice();

/** Return whether leaving the page would abort an upload. */
export const isUploading = () => active !== null;

/**
 * The state or the progress of an upload has changed.
 * @type {Signal<Upload>}
 */
export const uploadChanged = createSignal();

/**
 * Add files to the queue.
 * @param {File[]} files that `findFileProblem` has accepted
 * @param {Record<string, string>} fields the options of each import
 */
export function enqueueUploads(files, fields) {
  for (const file of files) {
    lastId += 1;
    /** @type {Upload} */
    const upload = { id: lastId, file, fields, state: 'waiting', loaded: 0, total: file.size, bytesPerSecond: 0 };
    uploads.push(upload);
    uploadChanged.emit(upload);
  }
  startNext();
}

/**
 * Cancel an upload that waits or is being sent.
 * @param {Upload} upload
 */
export function cancelUpload(upload) {
  if (upload === active?.upload) active.request.abort();
  else remove(upload, 'cancelled');
}

/**
 * Send a failed upload again from the start.
 * @param {Upload} upload
 */
export function retryUpload(upload) {
  Object.assign(upload, { state: 'waiting', loaded: 0, bytesPerSecond: 0, error: undefined, hint: undefined });
  uploadChanged.emit(upload);
  startNext();
}

/**
 * Remove a failed upload from the queue.
 * @param {Upload} upload
 */
export function dismissUpload(upload) {
  remove(upload, 'cancelled');
}

function startNext() {
  if (active) return;
  const upload = uploads.find((candidate) => candidate.state === 'waiting');
  if (upload) send(upload);
}

/** @param {Upload} upload */
function send(upload) {
  const request = new XMLHttpRequest();
  const measureSpeed = createSpeedometer();
  active = { upload, request };
  upload.state = 'sending';
  request.upload.onprogress = (event) => {
    upload.loaded = event.loaded;
    // The form around the file adds a few hundred bytes, which the total of the event includes.
    if (event.lengthComputable) upload.total = event.total;
    upload.bytesPerSecond = measureSpeed(event.loaded);
    uploadChanged.emit(upload);
  };
  request.upload.onload = () => {
    Object.assign(upload, { state: 'storing', loaded: upload.total });
    uploadChanged.emit(upload);
  };
  request.onload = () => finish(upload, request);
  request.onerror = () => failOrRenew(upload, brokenConnection());
  request.onabort = () => remove(upload, 'cancelled');
  request.open('POST', '/api/upload');
  request.setRequestHeader('Accept', 'application/json');
  const form = new FormData();
  // The options come first, so that the server can read them before it has the whole file.
  for (const [name, value] of Object.entries(upload.fields)) form.append(name, value);
  form.set('file', upload.file, upload.file.name);
  request.send(form);
  uploadChanged.emit(upload);
}

/**
 * @param {Upload} upload
 * @param {XMLHttpRequest} request
 */
function finish(upload, request) {
  try {
    /** @type {Uploaded} */
    const answer = readAnswer(request.status, request.responseText, request.getResponseHeader('Retry-After'));
    upload.taskId = answer.task_id;
    remove(upload, 'done');
  } catch (error) {
    failOrRenew(upload, error instanceof NetworkError ? brokenConnection() : error);
  }
}

/**
 * Send an upload again after the person has signed in again, if it failed because the session had ended. The server
 * refuses a large file before it has read it, which may look like a broken connection.
 * @param {Upload} upload
 * @param {unknown} error
 */
function failOrRenew(upload, error) {
  const isBroken = error instanceof ApiError && error.status === 0;
  if (isSessionMissing(error) || (isBroken && currentWho())) renewAndRetry(upload, error);
  else fail(upload, error);
}

/**
 * @param {Upload} upload
 * @param {unknown} error
 */
async function renewAndRetry(upload, error) {
  if ((isSessionMissing(error) || (await isSessionGone())) && (await renewSession())) {
    active = null;
    retryUpload(upload);
  } else fail(upload, error);
}

async function isSessionGone() {
  try {
    return (await fetchWho()) === null;
  } catch {
    return false;
  }
}

/**
 * @param {Upload} upload
 * @param {unknown} error
 */
function fail(upload, error) {
  active = null;
  Object.assign(upload, {
    state: 'failed',
    error: messageOf(error),
    hint: nextStep(error),
    retryable: isRetryable(error),
  });
  uploadChanged.emit(upload);
  startNext();
}

/**
 * Return whether an upload can succeed without a change: after a broken connection (status 0), an error of the server,
 * or if there were too many requests. Any other refusal would happen again.
 * @param {unknown} error
 */
const isRetryable = (error) =>
  error instanceof ApiError && (error.status === 0 || error.status === 429 || error.status >= 500);

/**
 * Remove an upload from the queue, and start the next one.
 * @param {Upload} upload
 * @param {'done' | 'cancelled'} state
 */
function remove(upload, state) {
  if (active?.upload === upload) active = null;
  upload.state = state;
  uploads.splice(uploads.indexOf(upload), 1);
  uploadChanged.emit(upload);
  startNext();
}

/**
 * Return the error of an upload whose connection broke. A server that refuses a large file may also close the
 * connection before it answers, which looks the same here.
 */
function brokenConnection() {
  return new ApiError(0, {
    error: t('imports.upload.broken'),
    fields: {
      file: [t('imports.upload.broken_hint')],
    },
  });
}

/** @returns {(loaded: number) => number} takes the bytes sent so far and returns bytes per second, 0 at first */
function createSpeedometer() {
  /** @type {{now: number, loaded: number}[]} */
  let samples = [];
  return (loaded) => {
    const now = performance.now();
    samples.push({ now, loaded });
    const start = samples.findIndex((sample) => now - sample.now <= SPEED_WINDOW_MS);
    // Keep at least two samples, however old.
    samples = samples.slice(Math.max(0, Math.min(start, samples.length - 2)));
    const first = samples[0] ?? { now, loaded };
    const spanMs = now - first.now;
    return spanMs > SPEED_MIN_SPAN_MS ? ((loaded - first.loaded) * 1000) / spanMs : 0;
  };
}
