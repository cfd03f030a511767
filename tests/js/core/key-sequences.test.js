import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  SEQUENCE_MS,
  ariaKeys,
  createKeySequences,
  nameOfPress,
  shownKeys,
} from '../../../static/js/core/key-sequences.js';

const SHORTCUTS = ['n', '/', '?', 'g p', 'g i', 'mod+k', 'mod+shift+z'];
const NONE = { ctrlKey: false, metaKey: false, shiftKey: false, altKey: false };

/** @param {string} key @param {Partial<typeof NONE>} [held] */
const name = (key, held = {}) => nameOfPress({ ...NONE, ...held, key });

/**
 * Press keys a moment apart and return the shortcuts that they complete.
 * @param {string[]} keys
 * @param {number} [gapMs]
 */
function press(keys, gapMs = 100) {
  const sequences = createKeySequences();
  return keys.map((key, index) => sequences.press(key, SHORTCUTS, index * gapMs));
}

test('a press has the name of its key, and Ctrl and Cmd are the same', () => {
  assert.equal(name('n'), 'n');
  assert.equal(name('?', { shiftKey: true }), '?');
  assert.equal(name('k', { ctrlKey: true }), 'mod+k');
  assert.equal(name('K', { metaKey: true }), 'mod+k');
  assert.equal(name('Z', { ctrlKey: true, shiftKey: true }), 'mod+shift+z');
});

test('keys with Alt, and keys that are only held, have no name', () => {
  assert.equal(name('n', { altKey: true }), '');
  assert.equal(name('@', { altKey: true, ctrlKey: true }), '');
  assert.equal(name('k', { ctrlKey: true, metaKey: true }), '');
  assert.equal(name('Shift', { shiftKey: true }), '');
  assert.equal(name(' '), '');
});

test('one key completes its shortcut at once', () => {
  assert.deepEqual(press(['n', '/', 'mod+k']), ['n', '/', 'mod+k']);
});

test('two keys in a row complete a sequence', () => {
  assert.deepEqual(press(['g', 'p']), [null, 'g p']);
  assert.deepEqual(press(['g', 'i', 'g', 'p']), [null, 'g i', null, 'g p']);
});

test('a key that ends no sequence counts by itself', () => {
  assert.deepEqual(press(['g', 'n']), [null, 'n']);
  assert.deepEqual(press(['g', 'x', 'p']), [null, null, null]);
  assert.deepEqual(press(['g', 'g', 'p']), [null, null, 'g p']);
  assert.deepEqual(press(['p']), [null]);
});

test('a sequence ends after a while', () => {
  assert.deepEqual(press(['g', 'p'], SEQUENCE_MS + 1), [null, null]);
  assert.deepEqual(press(['g', 'n'], SEQUENCE_MS + 1), [null, 'n']);
});

test('keys are shown as the keyboard has them', () => {
  assert.deepEqual(shownKeys('mod+shift+z', false), ['Ctrl', 'Shift', 'Z']);
  assert.deepEqual(shownKeys('mod+k', true), ['⌘', 'K']);
  assert.deepEqual(shownKeys('g p', false), ['g', 'p']);
  assert.deepEqual(shownKeys('/', true), ['/']);
  assert.equal(ariaKeys('mod+k', false), 'Control+k');
});
