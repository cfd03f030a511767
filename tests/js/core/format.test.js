import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  formatAnd,
  formatBytes,
  formatDuration,
  formatOr,
  formatPart,
  formatShare,
  formatTimeLeft,
} from '../../../static/js/core/format.js';

test('shares are in percent', () => {
  assert.equal(formatShare(0.1), '10%');
  assert.equal(formatShare(0.0025), '0.25%');
  assert.equal(formatPart(1, 4), '25%');
  assert.equal(formatPart(1, 1000), 'less than 1%');
  assert.equal(formatPart(999, 1000), 'more than 99%');
  assert.equal(formatPart(5, 5), '100%');
  assert.equal(formatPart(0, 0), '0%');
});

test('sizes have decimal units', () => {
  assert.equal(formatBytes(999), '999 bytes');
  assert.equal(formatBytes(1500), '1.5 kB');
  assert.equal(formatBytes(999_600), '1.0 MB');
  assert.equal(formatBytes(123_456_789), '123 MB');
});

test('durations have the unit that fits', () => {
  assert.equal(formatDuration(0.08), '80 ms');
  assert.equal(formatDuration(1.84), '1.8 s');
  assert.equal(formatDuration(185), '3 min 05 s');
  assert.equal(formatDuration(3720), '1 h 02 min');
});

test('an estimate is rounded', () => {
  assert.equal(formatTimeLeft(2), 'a few seconds');
  assert.equal(formatTimeLeft(43), '45 s');
  assert.equal(formatTimeLeft(61), '2 min');
});

test('a list in a sentence has no comma before its last item', () => {
  assert.equal(formatAnd(['a', 'b', 'c']), 'a, b and c');
  assert.equal(formatOr(['a', 'b', 'c']), 'a, b or c');
});
