import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describeEvents, describeHealth } from '../../../static/js/webhooks/health.js';

const HEALTH = { delivered: 0, pending: 0, waiting: 0, next_attempt_at: null, failed: 0, hours: [] };

test('a webhook for all events says so', () => {
  assert.equal(describeEvents('*'), 'All events');
  assert.equal(describeEvents('product.created,*'), 'All events');
});

test('a long list of events is shortened after the second', () => {
  assert.equal(describeEvents('product.created'), 'product.created');
  assert.equal(describeEvents('product.created,product.updated'), 'product.created, product.updated');
  assert.equal(describeEvents('a,b,c,d'), 'a, b +2');
});

test('health lists the counts that are not 0', () => {
  assert.equal(describeHealth({ ...HEALTH, delivered: 1234, failed: 2 }), '1,234 delivered · 2 failed');
  assert.equal(describeHealth(HEALTH), 'Nothing sent in 24 hours');
});
