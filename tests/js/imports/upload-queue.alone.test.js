import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';

import {
  cancelUpload,
  continueUpload,
  currentUploads,
  enqueueUploads,
  isUploading,
  pauseUpload,
  restoreUploads,
  resumeUpload,
  uploadChanged,
} from '../../../static/js/imports/upload-queue.js';
import { listRecords } from '../../../static/js/imports/upload-records.js';
import { loadTransferLibrary } from '../../../static/js/imports/upload-transfer.js';
import { FakeStorage } from '../fakes.js';

// The first upload of the page waits for it.
await loadTransferLibrary();

/** @import { Upload } from '../../../static/js/imports/upload-queue.js' */

const CONTENT = 'sku\nA-1\n';

/** A request whose progress and answer the test decides. */
class FakeRequest {
  /** @type {FakeRequest[]} */
  static sent = [];

  upload = {
    /** @type {(event: {loaded: number, lengthComputable: boolean}) => void} */
    onprogress: () => {},
  };
  onload = () => {};
  onerror = () => {};
  method = '';
  url = '';
  status = 0;
  responseText = '';
  isAborted = false;
  /** @type {Blob | null} */
  body = null;
  /** @type {Map<string, string>} */
  headers = new Map();
  /** @type {Record<string, string>} */
  answered = {};

  /**
   * @param {string} method
   * @param {string} url
   */
  open(method, url) {
    Object.assign(this, { method, url });
  }

  /**
   * @param {string} name
   * @param {string} value
   */
  setRequestHeader(name, value) {
    this.headers.set(name, value);
  }

  /** @param {string} name */
  getResponseHeader(name) {
    return this.answered[name] ?? null;
  }

  /** @param {Blob | null} body */
  send(body) {
    this.body = body;
    FakeRequest.sent.push(this);
  }

  abort() {
    this.isAborted = true;
  }

  /**
   * Answer, and let everything happen that follows.
   * @param {number} status
   * @param {object} [answer]
   * @param {Record<string, string | number>} [answer.headers]
   * @param {unknown} [answer.body]
   */
  async answer(status, { headers = {}, body = '' } = {}) {
    this.status = status;
    this.answered = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
    this.responseText = body ? JSON.stringify(body) : '';
    this.onload();
    await settle();
  }

  /** @param {number} loaded */
  progress(loaded) {
    this.upload.onprogress({ loaded, lengthComputable: true });
  }
}

/** @type {string[]} */
let changes;
let stop = () => {};
/** How many requests the test has seen. */
let seen = 0;

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout'] });
  Object.assign(globalThis, { XMLHttpRequest: FakeRequest, window: { location: new URL('http://localhost/') } });
  Object.defineProperty(globalThis, 'localStorage', { configurable: true, value: new FakeStorage() });
  FakeRequest.sent = [];
  seen = 0;
  changes = [];
  stop = uploadChanged.subscribe((upload) => changes.push(`${upload.name} ${upload.state}`));
});

afterEach(() => {
  stop();
  currentUploads()
    .reverse()
    .forEach((upload) => cancelUpload(upload));
  mock.timers.reset();
  mock.restoreAll();
  Reflect.deleteProperty(globalThis, 'localStorage');
});

/** Let everything happen that waits for nothing. */
async function settle() {
  for (let turn = 0; turn < 20; turn += 1) await setImmediate();
}

/**
 * Wait for the next request.
 * @param {string} method
 * @returns {Promise<FakeRequest>}
 */
async function nextRequest(method) {
  await settle();
  const request = FakeRequest.sent[seen];
  assert.ok(request, `no ${method} was sent`);
  seen += 1;
  assert.equal(request.method, method);
  return request;
}

/** @param {string} id of the upload */
const created = (id) => ({ headers: { Location: `/api/uploads/${id}` } });

/** @param {string} id of the import */
const stored = (id) => ({ headers: { 'Upload-Offset': CONTENT.length, Location: `/api/imports/${id}` } });

/** @param {number} offset */
const arrived = (offset) => ({ headers: { 'Upload-Offset': offset, 'Upload-Length': CONTENT.length } });

/** @param {string} name */
const createFile = (name) => new File([CONTENT], name, { lastModified: 1 });

/** @param {...string} names */
function enqueue(...names) {
  enqueueUploads(names.map(createFile), { preview: 'true' });
  return currentUploads();
}

/**
 * Enqueue a file and return its upload.
 * @returns {Upload}
 */
function enqueueOne() {
  const [upload] = enqueue('a.csv');
  assert.ok(upload);
  return upload;
}

/**
 * Enqueue a file whose upload the server knows, and return it with the request that sends the bytes.
 * @returns {Promise<[Upload, FakeRequest]>}
 */
async function startOne() {
  const upload = enqueueOne();
  await (await nextRequest('POST')).answer(201, created('one'));
  return [upload, await nextRequest('PATCH')];
}

const refusal = { body: { error: 'Refused.', code: 'refused' } };

test('files are sent one after another', async () => {
  const [first, second] = enqueue('a.csv', 'b.csv');
  await (await nextRequest('POST')).answer(201, created('one'));
  const patch = await nextRequest('PATCH');
  assert.equal(await patch.body?.text(), CONTENT);
  assert.equal(isUploading(), true);
  patch.progress(CONTENT.length);
  await patch.answer(204, stored('one'));
  assert.equal(first?.taskId, 'one');
  await (await nextRequest('POST')).answer(201, created('two'));
  assert.deepEqual(currentUploads(), [second]);
  await (await nextRequest('PATCH')).answer(204, stored('two'));
  await settle();
  assert.equal(isUploading(), false);
  assert.deepEqual(
    [...new Set(changes)],
    [
      'a.csv waiting',
      'b.csv waiting',
      'a.csv sending',
      'a.csv storing',
      'a.csv done',
      'b.csv sending',
      'b.csv storing',
      'b.csv done',
    ],
  );
});

test('the name and the options are sent before the file', async () => {
  enqueueOne();
  const request = await nextRequest('POST');
  assert.equal(request.headers.get('Upload-Length'), String(CONTENT.length));
  assert.equal(request.headers.get('Upload-Metadata'), `filename ${btoa('a.csv')},preview ${btoa('true')}`);
});

test('a refused upload stays until it is dismissed, and the next one is sent', async () => {
  const [first, second] = enqueue('a.csv', 'b.csv');
  assert.ok(first && second);
  await (await nextRequest('POST')).answer(400, refusal);
  assert.equal(first.state, 'failed');
  assert.equal(first.error, 'Refused.');
  assert.equal(first.retryable, false);
  assert.equal(second.state, 'sending');
  cancelUpload(first);
  assert.deepEqual(currentUploads(), [second]);
});

test('too many requests can be tried again', async () => {
  const upload = enqueueOne();
  await (await nextRequest('POST')).answer(429, { ...refusal, headers: { 'Retry-After': 42 } });
  assert.equal(upload.retryable, true);
  assert.equal(upload.error, 'Refused. Try again in 42 seconds.');
  resumeUpload(upload);
  assert.equal(upload.state, 'sending');
  assert.equal(upload.error, undefined);
});

test('an interrupted upload goes on by itself with what has not arrived', async () => {
  const [upload, patch] = await startOne();
  patch.progress(6);
  patch.onerror();
  await settle();
  assert.equal(upload.state, 'interrupted');
  mock.timers.tick(300);
  await (await nextRequest('HEAD')).answer(503);
  assert.equal(upload.state, 'interrupted');
  mock.timers.tick(1000);
  await (await nextRequest('HEAD')).answer(200, arrived(4));
  const rest = await nextRequest('PATCH');
  assert.equal(upload.state, 'sending');
  assert.equal(upload.loaded, 4);
  assert.equal(rest.headers.get('Upload-Offset'), '4');
  assert.equal(await rest.body?.text(), CONTENT.slice(4));
});

test('an upload that was stored although the answer was lost is done', async () => {
  const [upload, patch] = await startOne();
  patch.progress(CONTENT.length);
  assert.equal(upload.state, 'storing');
  patch.onerror();
  await settle();
  mock.timers.tick(300);
  const answer = stored('one');
  await (await nextRequest('HEAD')).answer(200, { headers: { ...answer.headers, 'Upload-Length': CONTENT.length } });
  await settle();
  assert.equal(upload.state, 'done');
  assert.equal(upload.taskId, 'one');
});

test('an upload that the server has forgotten begins again', async () => {
  const [upload, patch] = await startOne();
  patch.progress(4);
  pauseUpload(upload);
  resumeUpload(upload);
  await (await nextRequest('HEAD')).answer(404);
  await nextRequest('POST');
  assert.equal(upload.loaded, 0);
  assert.deepEqual(listRecords(), []);
});

test('a file that was changed on disk is not sent again', async () => {
  const [upload, patch] = await startOne();
  mock.method(File.prototype, 'slice', () => ({ arrayBuffer: () => Promise.reject(new Error('NotReadableError')) }));
  patch.onerror();
  await settle();
  assert.equal(upload.state, 'failed');
  assert.equal(upload.retryable, false);
  assert.equal(upload.error, 'The file was changed, moved or deleted during the upload.');
});

test('a paused upload lets the next one go first, and goes on where it stopped', async () => {
  const [first, patch] = await startOne();
  enqueueUploads([createFile('b.csv')], {});
  patch.progress(4);
  pauseUpload(first);
  assert.equal(patch.isAborted, true);
  assert.equal(first.state, 'paused');
  await (await nextRequest('POST')).answer(201, created('two'));
  resumeUpload(first);
  assert.equal(first.state, 'waiting');
  await (await nextRequest('PATCH')).answer(204, stored('two'));
  const question = await nextRequest('HEAD');
  assert.equal(question.url, '/api/uploads/one');
});

test('an upload is removed from the server when it is cancelled', async () => {
  const [first, second, third] = enqueue('a.csv', 'b.csv', 'c.csv');
  assert.ok(first && second && third);
  await (await nextRequest('POST')).answer(201, created('one'));
  await nextRequest('PATCH');
  cancelUpload(second);
  cancelUpload(first);
  assert.equal(first.state, 'cancelled');
  assert.equal(second.state, 'cancelled');
  assert.equal(third.state, 'sending');
  await settle();
  assert.deepEqual(
    FakeRequest.sent.slice(seen).map(({ method, url }) => `${method} ${url}`),
    ['DELETE /api/uploads/one', 'POST /api/uploads'],
  );
  assert.deepEqual(listRecords(), []);
});

/**
 * Return an upload as a page shows it that was loaded after another one was left.
 * @param {Response} answer of the server, asked how much has arrived
 */
async function restoreOne(answer) {
  const [upload] = await startOne();
  const records = { ...localStorage };
  cancelUpload(upload);
  Object.assign(localStorage, records);
  await settle();
  FakeRequest.sent = [];
  seen = 0;
  mock.method(globalThis, 'fetch', () => Promise.resolve(answer));
  await restoreUploads();
  return currentUploads()[0];
}

test('an upload goes on after the page was left, once the same file is chosen again', async () => {
  const upload = await restoreOne(new Response(null, { headers: { 'Upload-Offset': '4' } }));
  assert.ok(upload);
  assert.equal(upload.state, 'unfinished');
  assert.equal(upload.loaded, 4);
  assert.equal(continueUpload(upload, new File(['sku\n'], 'a.csv', { lastModified: 1 })), false);
  assert.equal(continueUpload(upload, createFile('a.csv')), true);
  const question = await nextRequest('HEAD');
  assert.equal(question.url, '/api/uploads/one');
});

test('a file that is dropped again goes on with its upload, if the options are the same', async () => {
  await restoreOne(new Response(null, { headers: { 'Upload-Offset': '4' } }));
  enqueueUploads([createFile('a.csv')], { preview: 'true', mode: 'create' });
  assert.equal(currentUploads().length, 2);
  enqueue('a.csv');
  assert.equal(currentUploads().length, 2);
  assert.equal(currentUploads()[0]?.state, 'waiting');
});

for (const [what, answer] of /** @type {[string, Response][]} */ ([
  ['has ended', new Response(null, { headers: { 'Upload-Offset': '8', Location: '/api/imports/one' } })],
  ['has expired', new Response(null, { status: 404 })],
])) {
  test(`an upload that ${what} is not shown again`, async () => {
    assert.equal(await restoreOne(answer), undefined);
    assert.deepEqual(listRecords(), []);
  });
}
