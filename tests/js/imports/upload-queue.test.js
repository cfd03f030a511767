import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import {
  cancelUpload,
  currentUploads,
  dismissUpload,
  enqueueUploads,
  isUploading,
  retryUpload,
  uploadChanged,
} from '../../../static/js/imports/upload-queue.js';

/** @import { Upload } from '../../../static/js/imports/upload-queue.js' */

/** A request whose progress and answer the test decides. */
class FakeRequest {
  /** @type {FakeRequest[]} */
  static sent = [];

  /** The request that is being sent. */
  static last() {
    const request = FakeRequest.sent.at(-1);
    assert.ok(request);
    return request;
  }

  upload = {
    /** @type {(event: {loaded: number, total: number, lengthComputable: boolean}) => void} */
    onprogress: () => {},
    onload: () => {},
  };
  onload = () => {};
  onerror = () => {};
  onabort = () => {};
  status = 0;
  responseText = '';
  /** @type {string[]} */
  fields = [];

  open() {}

  setRequestHeader() {}

  /** @param {string} name */
  getResponseHeader(name) {
    return name === 'Retry-After' && this.status === 429 ? '42' : null;
  }

  /** @param {FormData} form */
  send(form) {
    this.fields = [...form.keys()];
    FakeRequest.sent.push(this);
  }

  abort() {
    this.onabort();
  }

  /**
   * @param {number} status
   * @param {unknown} body
   */
  answer(status, body) {
    this.upload.onload();
    this.status = status;
    this.responseText = JSON.stringify(body);
    this.onload();
  }
}

/** @type {string[]} */
let changes;
let stop = () => {};

beforeEach(() => {
  Object.assign(globalThis, { XMLHttpRequest: FakeRequest });
  FakeRequest.sent = [];
  changes = [];
  stop = uploadChanged.subscribe((upload) => changes.push(`${upload.file.name} ${upload.state}`));
});

afterEach(() => {
  stop();
  currentUploads()
    .reverse()
    .forEach((upload) => cancelUpload(upload));
});

/** @param {...string} names */
function enqueue(...names) {
  enqueueUploads(
    names.map((name) => new File(['sku\nA-1\n'], name)),
    { preview: 'true' },
  );
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

/** @param {number} status */
const answerError = (status) => FakeRequest.last().answer(status, { error: 'Refused.', code: 'refused', status });

test('files are sent one after another', () => {
  const [first, second] = enqueue('a.csv', 'b.csv');
  assert.equal(FakeRequest.sent.length, 1);
  assert.equal(isUploading(), true);
  FakeRequest.last().answer(202, { task_id: 'one', filename: 'a.csv', status: 'pending' });
  assert.equal(first?.taskId, 'one');
  assert.equal(FakeRequest.sent.length, 2);
  assert.deepEqual(currentUploads(), [second]);
  FakeRequest.last().answer(202, { task_id: 'two', filename: 'b.csv', status: 'pending' });
  assert.equal(isUploading(), false);
  assert.deepEqual(changes, [
    'a.csv waiting',
    'b.csv waiting',
    'a.csv sending',
    'a.csv storing',
    'a.csv done',
    'b.csv sending',
    'b.csv storing',
    'b.csv done',
  ]);
});

test('the options are sent before the file', () => {
  enqueueOne();
  assert.deepEqual(FakeRequest.last().fields, ['preview', 'file']);
});

test('the progress includes the form around the file', () => {
  const upload = enqueueOne();
  FakeRequest.last().upload.onprogress({ loaded: 100, total: 308, lengthComputable: true });
  assert.equal(upload.loaded, 100);
  assert.equal(upload.total, 308);
  FakeRequest.last().upload.onprogress({ loaded: 200, total: 0, lengthComputable: false });
  assert.equal(upload.total, 308);
});

test('a refused upload stays until it is dismissed, and the next one is sent', () => {
  const [first, second] = enqueue('a.csv', 'b.csv');
  assert.ok(first && second);
  answerError(400);
  assert.equal(first.state, 'failed');
  assert.equal(first.error, 'Refused.');
  assert.equal(first.retryable, false);
  assert.equal(second.state, 'sending');
  dismissUpload(first);
  assert.deepEqual(currentUploads(), [second]);
});

test('an upload can be retried after errors that may pass', () => {
  const upload = enqueueOne();
  for (const status of [429, 500]) {
    answerError(status);
    assert.equal(upload.retryable, true, String(status));
    assert.equal(upload.error, status === 429 ? 'Refused. Try again in 42 seconds.' : 'Refused.');
    retryUpload(upload);
    assert.equal(upload.state, 'sending');
    assert.equal(upload.error, undefined);
  }
  FakeRequest.last().onerror();
  assert.equal(upload.retryable, true);
  assert.equal(upload.error, 'The connection broke during the upload.');
  assert.match(upload.hint ?? '', /^Nothing was imported\./);
});

test('an upload can be cancelled while it waits and while it is sent', () => {
  const [first, second, third] = enqueue('a.csv', 'b.csv', 'c.csv');
  assert.ok(first && second && third);
  cancelUpload(second);
  cancelUpload(first);
  assert.equal(first.state, 'cancelled');
  assert.equal(second.state, 'cancelled');
  assert.equal(third.state, 'sending');
  assert.equal(FakeRequest.sent.length, 2);
});
