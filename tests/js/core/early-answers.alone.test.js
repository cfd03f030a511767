import assert from 'node:assert/strict';
import { test } from 'node:test';

import { getJson } from '../../../static/js/core/api.js';
import { dropEarlyAnswers } from '../../../static/js/core/early-answers.js';
import { serverNow } from '../../../static/js/core/server-clock.js';

/** @type {Map<string, Promise<Answer>>} */
const earlyAnswers = new Map();
Object.defineProperty(globalThis, 'window', { value: { earlyAnswers } });
/** @type {string[]} */
let requested = [];
globalThis.fetch = (input) => {
  requested.push(String(input));
  return Promise.resolve(Response.json({ from: 'fetch' }));
};

/** @param {string} address @param {number} [arrivedAt] */
function answerEarly(address, arrivedAt = Date.now()) {
  const date = new Date(arrivedAt).toUTCString();
  const response = Response.json({ from: 'early' }, { headers: { Date: date } });
  earlyAnswers.set(address, Promise.resolve({ response, arrivedAt }));
}

test('an early answer is used once, for the same address', async () => {
  requested = [];
  answerEarly('/api/products?page=1');
  assert.deepEqual(await getJson('/api/products', { query: { page: 2 } }), { from: 'fetch' });
  assert.deepEqual(await getJson('/api/products', { query: { page: 1 } }), { from: 'early' });
  assert.deepEqual(await getJson('/api/products', { query: { page: 1 } }), { from: 'fetch' });
  assert.deepEqual(requested, ['/api/products?page=2', '/api/products?page=1']);
});

test('after the first screen, early answers are outdated', async () => {
  answerEarly('/api/a');
  dropEarlyAnswers();
  assert.deepEqual(await getJson('/api/a'), { from: 'fetch' });
});

test('an aborted request does not get an early answer', async () => {
  answerEarly('/api/a');
  const controller = new AbortController();
  controller.abort();
  await assert.rejects(getJson('/api/a', { signal: controller.signal }), { name: 'AbortError' });
});

test('an early answer that waited for the modules does not set the clock back', async () => {
  answerEarly('/api/a', Date.now() - 20_000);
  await getJson('/api/a');
  assert.ok(Math.abs(serverNow() - Date.now()) < 2_000);
});
