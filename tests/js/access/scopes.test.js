import assert from 'node:assert/strict';
import { test } from 'node:test';

import { daysLeft } from '../../../static/js/access/key-times.js';
import { curlExample } from '../../../static/js/access/scopes.js';

test('the example fits the scopes of the key', () => {
  const origin = 'http://127.0.0.1:5000';
  assert.equal(
    curlExample('acme_x', ['products:read', 'imports:write'], origin),
    "curl -H 'Authorization: Bearer acme_x' \\\n  -F file=@products.csv 'http://127.0.0.1:5000/api/upload'",
  );
  assert.match(curlExample('acme_x', ['webhooks'], origin), /\/api\/webhooks'$/);
  assert.match(curlExample('acme_x', ['products:write'], origin), /\/api\/session'$/);
});

test('an expiry is told in days', () => {
  const now = Date.parse('2026-11-28T12:00:00Z');
  assert.equal(daysLeft('2026-11-28T20:00:00Z', now), 'within a day');
  assert.equal(daysLeft('2026-11-29T13:00:00Z', now), 'in 1 day');
  assert.equal(daysLeft('2027-02-26T11:59:59Z', now), 'in 90 days');
});
