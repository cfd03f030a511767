import assert from 'node:assert/strict';
import { test } from 'node:test';

import { readDeliveryFilters, toLocalInput } from '../../../static/js/webhooks/delivery-filters.js';
import { addressOfSubject } from '../../../static/js/webhooks/delivery-list.js';
import { describe, readPeriod, splitRuns } from '../../../static/js/webhooks/hours-chart.js';
import { describeRecovered } from '../../../static/js/webhooks/recovery-dialog.js';

const HOUR = {
  hour: '2026-11-24T10:00:00Z',
  delivered: 0,
  failed: 0,
  failed_attempts: 0,
  requests: 0,
  median_ms: null,
  p95_ms: null,
};

test('an address holds the filters; empty and other parameters are left out', () => {
  const query = new URLSearchParams('status=failed&text=%20A-1%20&id=&page=3&hours=168');
  assert.deepEqual(readDeliveryFilters(query), { status: 'failed', text: 'A-1' });
});

test('a field for a time shows it to the minute, and nothing for what is no time', () => {
  const time = new Date(2026, 10, 24, 4, 5, 6);
  assert.equal(toLocalInput(time.toISOString()), '2026-11-24T04:05');
  assert.equal(toLocalInput('soon'), '');
});

test('a product and a known import have an address', () => {
  assert.equal(addressOfSubject({ type: 'product', id: '7', name: 'A&B 1' }), '#/products?sku=A%26B+1');
  assert.equal(addressOfSubject({ type: 'import', id: 'x-1', name: 'a.csv' }), '#/imports/x-1');
  assert.equal(addressOfSubject({ type: 'import', id: 'x-1', name: null }), null);
  assert.equal(addressOfSubject({ type: 'products', id: null, name: '12 products' }), null);
});

test('hours without requests interrupt a line', () => {
  const points = [1, null, 2, 3, null].map((ms, x) => ({ x, ms }));
  assert.deepEqual(splitRuns(points), [
    [{ x: 0, ms: 1 }],
    [
      { x: 2, ms: 2 },
      { x: 3, ms: 3 },
    ],
  ]);
});

test('the chart sums up its period', () => {
  assert.equal(describe([HOUR]), 'Nothing was sent in the last 24 hours.');
  const week = Array.from({ length: 168 }, () => ({ ...HOUR, delivered: 10 }));
  assert.equal(describe(week), '1,680 deliveries arrived and 0 requests failed in the last 7 days.');
  assert.equal(readPeriod(new URLSearchParams('hours=168')), 168);
  assert.equal(readPeriod(new URLSearchParams('hours=5')), 24);
});

test('a recovery says how many of each kind are sent again', () => {
  const message = '';
  const nothing = { message, count: 0, failed_count: 0, waiting_count: 0 };
  assert.equal(describeRecovered(nothing), 'No delivery has failed or waits');
  assert.equal(
    describeRecovered({ message, count: 2206, failed_count: 12, waiting_count: 2194 }),
    'Retrying 12 failed and 2,194 waiting deliveries',
  );
  assert.equal(describeRecovered({ ...nothing, count: 1, waiting_count: 1 }), 'Retrying 1 waiting delivery');
});
