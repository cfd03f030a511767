// Uploads files one after another. XMLHttpRequest, because fetch cannot tell how much of a body has been sent.

import { ApiError, NetworkError, nextStep, readAnswer } from '../core/api.js';
import { createSignal } from '../core/event-bus.js';

const SPEED_WINDOW_MS = 4_000;

/**
 * A file on its way to the server.
 * @typedef {object} Upload
 * @property {number} id
 * @property {File} file
 * @property {Record<string, string>} fields options that go with the file
 * @property {'waiting'|'sending'|'storing'|'done'|'failed'|'cancelled'} state
 * @property {number} loaded bytes sent
 * @property {number} total bytes to send
 * @property {number} bytesPerSecond
 * @property {string} [taskId] of the import, once the file is stored
 * @property {string} [error]
 * @property {string} [hint] what the person can do about the error
 * @property {boolean} [retryable]
 * */

/** @type {Upload[]} */
const uploads = [];
let serial = 0;
let active = null;

/** @returns {Upload[]} those that are not settled, and the failed ones nobody dismissed */
export const currentUploads = () => uploads.slice();

/**
 * An upload has changed: its state or its progress.
 * @type {import('../core/event-bus.js').Signal<Upload>}
 */
export const uploadChanged = createSignal();

/**
 * Says what is wrong with a file before it is sent.
 * @param {File} file
 * @returns {{title: string, detail: string}|null}
 */
export function findFileProblem(file) {
  if (!/\.((csv|tsv)(\.gz)?|zip)$/i.test(file.name)) {
    return {
      title: `“${file.name}” is not a CSV file.`,
      detail: 'Choose a file whose name ends in .csv, .tsv, .csv.gz, .tsv.gz or .zip. Spreadsheets can save as CSV.',
    };
  }
  if (file.size === 0) {
    return { title: `“${file.name}” is empty.`, detail: 'Choose a file with a header row and at least one product.' };
  }
  return null;
}

/**
 * @param {File[]} files that passed findFileProblem
 * @param {Record<string, string>} fields go with each of them
 */
export function enqueueUploads(files, fields) {
  for (const file of files) {
    serial += 1;
    const upload = { id: serial, file, fields, state: 'waiting', loaded: 0, total: file.size, bytesPerSecond: 0 };
    uploads.push(upload);
    uploadChanged.emit(upload);
  }
  startNext();
}

/** @param {Upload} upload stops being sent, or never is */
export function cancelUpload(upload) {
  if (upload === active?.upload) active.request.abort();
  else settle(upload, 'cancelled');
}

/** @param {Upload} upload a failed one, sent again from the start */
export function retryUpload(upload) {
  Object.assign(upload, { state: 'waiting', loaded: 0, bytesPerSecond: 0, error: undefined, hint: undefined });
  uploadChanged.emit(upload);
  startNext();
}

/** @param {Upload} upload a failed one that is no longer of interest */
export function dismissUpload(upload) {
  settle(upload, 'cancelled');
}

function startNext() {
  if (active) return;
  const upload = uploads.find((candidate) => candidate.state === 'waiting');
  if (upload) send(upload);
}

function send(upload) {
  const request = new XMLHttpRequest();
  const samples = [];
  active = { upload, request };
  upload.state = 'sending';
  request.upload.onprogress = (event) => {
    upload.loaded = event.loaded;
    // The form around the file adds a few hundred bytes; the event's total includes them.
    if (event.lengthComputable) upload.total = event.total;
    upload.bytesPerSecond = speed(samples, event.loaded);
    uploadChanged.emit(upload);
  };
  request.upload.onload = () => {
    Object.assign(upload, { state: 'storing', loaded: upload.total });
    uploadChanged.emit(upload);
  };
  request.onload = () => finish(upload, request);
  request.onerror = () => fail(upload, brokenConnection());
  request.onabort = () => settle(upload, 'cancelled');
  request.open('POST', '/api/upload');
  request.setRequestHeader('Accept', 'application/json');
  const form = new FormData();
  // The options come first: the server may read them before the whole file is there.
  for (const [name, value] of Object.entries(upload.fields)) form.append(name, value);
  form.append('file', upload.file, upload.file.name);
  request.send(form);
  uploadChanged.emit(upload);
}

function finish(upload, request) {
  try {
    upload.taskId = readAnswer(request.status, request.responseText).task_id;
    settle(upload, 'done');
  } catch (error) {
    fail(upload, error instanceof NetworkError ? brokenConnection() : error);
  }
}

function fail(upload, error) {
  active = null;
  // What the server refused once it refuses again; only a broken connection or an error of its own may pass.
  const retryable = error.status === 0 || error.status === 429 || error.status >= 500;
  Object.assign(upload, { state: 'failed', error: error.message, hint: nextStep(error), retryable });
  uploadChanged.emit(upload);
  startNext();
}

function settle(upload, state) {
  if (active?.upload === upload) active = null;
  upload.state = state;
  uploads.splice(uploads.indexOf(upload), 1);
  uploadChanged.emit(upload);
  startNext();
}

// A server that refuses a large body may close the connection before it answers, which looks the same from here.
function brokenConnection() {
  return new ApiError(0, {
    error: 'The connection broke during the upload.',
    fields: {
      file: [
        'Nothing was imported. The server may be unreachable, ' +
          'or the file may be larger than it accepts or have changed on disk.',
      ],
    },
  });
}

function speed(samples, loaded) {
  const now = performance.now();
  samples.push({ now, loaded });
  while (samples.length > 2 && now - samples[0].now > SPEED_WINDOW_MS) samples.shift();
  const span = now - samples[0].now;
  return span > 300 ? ((loaded - samples[0].loaded) * 1000) / span : 0;
}

// Leaving the page would end an upload that is under way; the browser asks in its own words.
window.addEventListener('beforeunload', (event) => {
  if (active) event.preventDefault();
});
