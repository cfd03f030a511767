import assert from 'node:assert/strict';
import { test } from 'node:test';

import { coalesce } from '../../../static/js/core/coalesce.js';

test('calls while the function is running make it run once more', async () => {
  /** @type {(() => void)[]} */
  const ends = [];
  const call = coalesce(
    () =>
      new Promise((resolve) => {
        ends.push(() => resolve(undefined));
      }),
  );
  const first = call();
  call();
  call();
  assert.equal(ends.length, 1);
  ends[0]?.();
  await first;
  assert.equal(ends.length, 2);
  ends[1]?.();
  await Promise.resolve();
  await Promise.resolve();
  assert.equal(ends.length, 2);
});
