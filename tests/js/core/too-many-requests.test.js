import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ApiError, NetworkError, nextStep, readAnswer } from '../../../static/js/core/api.js';

/**
 * @param {number} status
 * @param {string} text
 * @param {string | null} retryAfter
 */
function refuse(status, text, retryAfter) {
  try {
    readAnswer(status, text, retryAfter);
  } catch (error) {
    assert.ok(error instanceof ApiError || error instanceof NetworkError);
    return [error.message, nextStep(error)];
  }
  throw new Error('The answer is no error.');
}

const body = (/** @type {string} */ error) => JSON.stringify({ error, code: 'too_many_requests', status: 429 });

test('a message about too many requests says once when to try again', () => {
  const sentence = 'You sent too many requests. Try again in 42 seconds.';
  assert.deepEqual(refuse(429, body(sentence), '42'), [sentence, '']);
  assert.deepEqual(refuse(429, body('Too many wrong passwords. Try again in 8 seconds.'), '8'), [
    'Too many wrong passwords. Try again in 8 seconds.',
    '',
  ]);
  assert.deepEqual(refuse(429, body('Too many.'), '1'), ['Too many. Try again in 1 second.', '']);
});

test('a message of a proxy says it, too', () => {
  assert.deepEqual(refuse(429, '<html></html>', '30'), [
    'The server answered with an error (429). Try again in 30 seconds.',
    '',
  ]);
  for (const retryAfter of [null, '', '0', 'Fri, 31 Dec 2027 23:59:59 GMT']) {
    assert.deepEqual(refuse(429, '<html></html>', retryAfter), [
      'The server answered with an error (429).',
      'Wait a moment, then try again.',
    ]);
  }
});
