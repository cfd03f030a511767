import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createSignal } from '../../../static/js/core/event-bus.js';

/** @returns {import('../../../static/js/core/event-bus.js').Signal<number>} */
const createNumberSignal = () => createSignal();

test('every subscriber gets the emitted value, in the order of subscription', () => {
  const signal = createNumberSignal();
  /** @type {[string, number][]} */
  const received = [];
  signal.subscribe((value) => received.push(['first', value]));
  signal.subscribe((value) => received.push(['second', value]));
  signal.emit(7);
  assert.deepEqual(received, [
    ['first', 7],
    ['second', 7],
  ]);
});

test('a function that subscribed twice is called twice and removed once', () => {
  const signal = createNumberSignal();
  let calls = 0;
  const listener = () => {
    calls += 1;
  };
  const stop = signal.subscribe(listener);
  signal.subscribe(listener);
  signal.emit(1);
  assert.equal(calls, 2);
  stop();
  stop();
  assert.equal(signal.count(), 1);
});

test('a listener that is removed during an emit is not called any more', () => {
  const signal = createNumberSignal();
  let isCalled = false;
  signal.subscribe(() => stop());
  const stop = signal.subscribe(() => {
    isCalled = true;
  });
  signal.emit(1);
  assert.equal(isCalled, false);
});

test('a listener that is added during an emit is called from the next one on', () => {
  const signal = createNumberSignal();
  /** @type {number[]} */
  const received = [];
  const stop = signal.subscribe(() => {
    stop();
    signal.subscribe((value) => received.push(value));
  });
  signal.emit(1);
  assert.deepEqual(received, []);
  signal.emit(2);
  assert.deepEqual(received, [2]);
});
