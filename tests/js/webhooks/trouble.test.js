import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describeWaiting } from '../../../static/js/webhooks/trouble.js';

const NOW = Date.parse('2026-11-24T10:00:00Z');

/**
 * @param {number} pending
 * @param {number} waiting
 */
const describe = (pending, waiting) => {
  const health = { delivered: 0, pending, waiting, next_attempt_at: '2026-11-24T10:05:00Z', failed: 0, hours: [] };
  return describeWaiting({ health }, NOW);
};

test('waiting deliveries are counted, with the time of the next attempt', () => {
  assert.equal(describe(2194, 2194), '2,194 deliveries wait. The next attempt is in 5 minutes.');
  assert.equal(describe(1, 1), '1 delivery waits. The next attempt is in 5 minutes.');
});

test('deliveries that are due are being sent', () => {
  assert.equal(describe(3, 2), '1 delivery is being sent and 2 wait for the next attempt.');
  assert.equal(describe(2, 0), '2 deliveries are being sent.');
  assert.equal(describe(0, 0), '');
});
