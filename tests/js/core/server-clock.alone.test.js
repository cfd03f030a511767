import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { formatRelative } from '../../../static/js/core/format.js';
import { serverNow, setServerTime, startClock, stopClock } from '../../../static/js/core/server-clock.js';
import { advance, installFakes, removeFakes } from '../fakes.js';

/** @param {number} seconds ahead of the clock of this machine */
const headerAhead = (seconds) => new Date(Date.now() + seconds * 1000).toUTCString();

beforeEach(installFakes);
afterEach(() => {
  startClock();
  setServerTime(headerAhead(0));
  removeFakes();
});

test('relative times follow the clock of the server', () => {
  const time = new Date(Date.now() + 3_600_000 - 240_000).toISOString();
  assert.equal(formatRelative(time), 'just now');
  setServerTime(headerAhead(3600));
  assert.equal(formatRelative(time), '4 minutes ago');
});

test('a header that is as old as an answer can be, or unreadable, changes nothing', () => {
  for (const header of [headerAhead(-1), '', 'yesterday', null]) setServerTime(header);
  assert.equal(serverNow(), Date.now());
  setServerTime(headerAhead(-600));
  setServerTime(headerAhead(0));
  assert.equal(serverNow(), Date.now());
});

test('the clock stands still while the server is unreachable', async () => {
  const before = serverNow();
  stopClock();
  await advance(5000);
  stopClock();
  assert.equal(serverNow(), before);
  startClock();
  assert.equal(serverNow(), before + 5000);
});
