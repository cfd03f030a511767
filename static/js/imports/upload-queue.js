// Upload files one after another. An interrupted transfer goes on by itself, and one that was paused or left with the
// page goes on where it stopped.

import { ApiError, fetchWho, hasStatus, isSessionMissing, messageOf, nextStep } from '../core/api.js';
import { createSignal } from '../core/event-bus.js';
import { t } from '../core/i18n.js';
import { currentWho, renewSession } from '../core/session.js';
import {
  heldUploads,
  holdUpload,
  isSameFile,
  isSameUpload,
  listRecords,
  removeRecord,
  saveRecord,
} from './upload-records.js';
import { FILE_CHANGED, LIBRARY_MISSING, fetchOffset, removeFromServer, startTransfer } from './upload-transfer.js';

/** @import { Signal } from '../core/event-bus.js' */
/** @import { Transfer } from './upload-transfer.js' */

const SPEED_WINDOW_MS = 4_000;
const SPEED_MIN_SPAN_MS = 300;
/** What to do about errors after which another attempt would fail, too. @type {Record<string, string>} */
const HINTS = { [FILE_CHANGED]: t('imports.upload.changed_hint'), [LIBRARY_MISSING]: t('core.part.missing_hint') };

/**
 * - `waiting`: its turn comes after other uploads
 * - `sending`
 * - `interrupted`: the connection broke, and the next attempt follows by itself
 * - `storing`: everything is sent, and the server stores it
 * - `paused`: until somebody resumes it
 * - `unfinished`: from an earlier visit to the page; needs the file again
 * @typedef {'waiting'|'sending'|'interrupted'|'storing'|'paused'|'unfinished'|'done'|'failed'|'cancelled'} UploadState
 */

/**
 * A file on its way to the server.
 * @typedef {object} Upload
 * @property {number} id
 * @property {string} name of the file
 * @property {number} total size of the file in bytes
 * @property {number} lastModified of the file, in milliseconds
 * @property {File | null} file null while it is unfinished
 * @property {Record<string, string>} fields the options of the import
 * @property {UploadState} state
 * @property {string} url the address on the server, "" as long as it has none
 * @property {number} loaded bytes sent
 * @property {number} bytesPerSecond
 * @property {string} [taskId] of the import, once the file is stored
 * @property {string} [error]
 * @property {string} [hint] what to do about the error
 * @property {boolean} [retryable]
 */

/** @typedef {{upload: Upload, transfer: Transfer, release: () => void}} Active */

/** @type {Upload[]} */
const uploads = [];
let lastId = 0;
/** @type {Active | null} */
let active = null;

/**
 * Return the uploads that have not ended, and the failed ones that were not dismissed.
 * @returns {Upload[]}
 */
export const currentUploads = () => uploads.slice();

/** Return whether leaving the page would interrupt an upload. */
export const isUploading = () => active !== null;

/**
 * Return whether an upload goes on without anybody doing anything.
 * @param {Pick<Upload, 'state'>} upload
 */
export const isUnderWay = ({ state }) => ['waiting', 'sending', 'interrupted', 'storing'].includes(state);

/**
 * The state or the progress of an upload has changed.
 * @type {Signal<Upload>}
 */
export const uploadChanged = createSignal();

/**
 * Add files to the queue. A file whose upload was interrupted goes on with it, if its options are the same.
 * @param {File[]} files that `findFileProblem` has accepted
 * @param {Record<string, string>} fields the options of each import
 */
export function enqueueUploads(files, fields) {
  for (const file of files) {
    const stopped = uploads.find(
      (upload) => ['paused', 'unfinished'].includes(upload.state) && isSameUpload(recordOf(upload), file, fields),
    );
    if (stopped) setWaiting(stopped, file);
    else add({ ...describeFile(file), file, fields, state: 'waiting', url: '', loaded: 0 });
  }
  startNext();
}

/**
 * Show the uploads that were interrupted when the page was left, unless another tab sends them.
 * @returns {Promise<void>}
 */
export async function restoreUploads() {
  const held = await heldUploads();
  const known = new Set(uploads.map(({ url }) => url));
  for (const record of listRecords().filter(({ url }) => !held.has(url) && !known.has(url))) {
    const { url, name, size, lastModified, fields } = record;
    const loaded = await fetchOffset(url).catch(() => 0);
    if (loaded === null) removeRecord(url);
    else add({ name, total: size, lastModified, file: null, fields, state: 'unfinished', url, loaded });
  }
}

/**
 * Go on with an unfinished upload.
 * @param {Upload} upload
 * @param {File} file as the person chose it again
 * @returns {boolean} false if it is another file
 */
export function continueUpload(upload, file) {
  if (!isSameFile(recordOf(upload), file)) return false;
  setWaiting(upload, file);
  startNext();
  return true;
}

/**
 * Stop an upload that is being sent. What was sent stays on the server for a day.
 * @param {Upload} upload
 */
export function pauseUpload(upload) {
  if (upload !== active?.upload) return;
  active.transfer.stop();
  deactivate();
  upload.state = 'paused';
  uploadChanged.emit(upload);
  startNext();
}

/**
 * Go on with a paused or failed upload where it stopped.
 * @param {Upload} upload
 */
export function resumeUpload(upload) {
  setWaiting(upload, upload.file);
  startNext();
}

/**
 * Cancel an upload that has not ended, and remove what was sent of it.
 * @param {Upload} upload
 */
export function cancelUpload(upload) {
  if (upload === active?.upload) active.transfer.cancel();
  else if (upload.url) removeFromServer(upload.url);
  remove(upload, 'cancelled');
}

/** @param {Omit<Upload, 'id' | 'bytesPerSecond'>} values */
function add(values) {
  lastId += 1;
  const upload = { id: lastId, bytesPerSecond: 0, ...values };
  uploads.push(upload);
  uploadChanged.emit(upload);
}

/** @param {File} file */
const describeFile = ({ name, size, lastModified }) => ({ name, total: size, lastModified });

/** @param {Upload} upload */
const recordOf = ({ url, name, total, lastModified, fields }) => ({ url, name, size: total, lastModified, fields });

/**
 * @param {Upload} upload
 * @param {File | null} file
 */
function setWaiting(upload, file) {
  Object.assign(upload, { state: 'waiting', file, bytesPerSecond: 0, error: undefined, hint: undefined });
  uploadChanged.emit(upload);
}

function startNext() {
  if (active) return;
  const upload = uploads.find((candidate) => candidate.state === 'waiting');
  if (upload) send(upload);
}

/** @param {Upload} upload */
function send(upload) {
  if (!upload.file) return;
  let measureSpeed = createSpeedometer();
  const transfer = startTransfer(upload.file, upload, {
    onCreated: (url) => setAddress(upload, url),
    onProgress: (loaded) => {
      if (loaded < upload.loaded || upload.state === 'interrupted') measureSpeed = createSpeedometer();
      upload.loaded = loaded;
      upload.state = loaded >= upload.total ? 'storing' : 'sending';
      upload.bytesPerSecond = measureSpeed(loaded);
      uploadChanged.emit(upload);
    },
    onInterrupted: () => {
      upload.state = 'interrupted';
      uploadChanged.emit(upload);
    },
    onDone: (taskId) => {
      upload.taskId = taskId;
      remove(upload, 'done');
    },
    onFailed: (error) => failOrRenew(upload, error),
  });
  active = { upload, transfer, release: upload.url ? holdUpload(upload.url) : () => {} };
  upload.state = 'sending';
  uploadChanged.emit(upload);
}

/**
 * @param {Upload} upload
 * @param {string} url its address on the server
 */
function setAddress(upload, url) {
  if (upload.url === url) return;
  // The server did not have the earlier one any more.
  if (upload.url) removeRecord(upload.url);
  upload.url = url;
  saveRecord(recordOf(upload));
  active?.release();
  if (active) active.release = holdUpload(url);
}

/** Let the next upload become active. */
function deactivate() {
  active?.release();
  active = null;
}

/**
 * Send an upload again after the person has signed in again, if it failed because the session had ended. The server
 * refuses a large file before it has read it, which may look like a broken connection.
 * @param {Upload} upload
 * @param {unknown} error
 */
function failOrRenew(upload, error) {
  if (upload.url && hasStatus(error, 404)) {
    // The server does not have it any more, so it begins again.
    removeRecord(upload.url);
    Object.assign(upload, { url: '', loaded: 0 });
    deactivate();
    resumeUpload(upload);
    return;
  }
  const isBroken = error instanceof ApiError && error.status === 0 && !(error.code in HINTS);
  if (isUnauthenticated(error) || (isBroken && currentWho())) renewAndResume(upload, error);
  else fail(upload, error);
}

/**
 * @param {Upload} upload
 * @param {unknown} error
 */
async function renewAndResume(upload, error) {
  const hasRenewed = (isUnauthenticated(error) || (await isSessionGone())) && (await renewSession());
  // It may have been cancelled meanwhile.
  if (active?.upload !== upload) return;
  if (!hasRenewed) return fail(upload, error);
  deactivate();
  return resumeUpload(upload);
}

/**
 * Return whether the server does not know who asks. The answer to a HEAD says only that.
 * @param {unknown} error
 */
const isUnauthenticated = (error) =>
  isSessionMissing(error) || (error instanceof ApiError && error.status === 401 && error.code === 'unknown');

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
  deactivate();
  Object.assign(upload, {
    state: 'failed',
    error: messageOf(error),
    hint: (error instanceof ApiError && HINTS[error.code]) || nextStep(error),
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
  error instanceof ApiError &&
  !(error.code in HINTS) &&
  ([0, 408, 409, 429].includes(error.status) || error.status >= 500);

/**
 * Remove an upload from the queue, and start the next one.
 * @param {Upload} upload
 * @param {'done' | 'cancelled'} state
 */
function remove(upload, state) {
  if (active?.upload === upload) deactivate();
  if (upload.url) removeRecord(upload.url);
  upload.state = state;
  uploads.splice(uploads.indexOf(upload), 1);
  uploadChanged.emit(upload);
  startNext();
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
