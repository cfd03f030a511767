import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createUndoStack, describeValues } from '../../../static/js/products/undo-stack.js';

/** @import { ProductEdit } from '../../../static/js/products/undo-stack.js' */

/**
 * An edit of a name, from one version to the next.
 * @param {string} from
 * @param {string} to
 * @param {number} [id]
 * @returns {ProductEdit}
 */
const edit = (from, to, id = 1) => ({
  id,
  sku: `S-${id}`,
  before: { name: `name ${from}` },
  after: { name: `name ${to}` },
  from,
  to,
});

/**
 * @param {string} version
 * @param {number} [id]
 */
const now = (version, id = 1) => new Map([[id, version]]);

test('several edits of a product are undone from the version that the last undo wrote, and repeated', () => {
  const stack = createUndoStack();
  stack.record([edit('1', '2')]);
  stack.record([edit('7', '8', 9)]);
  stack.record([edit('2', '3')]);
  assert.equal(stack.lastDone()?.edits[0]?.to, '3');
  stack.noteUndone(now('4'));
  stack.noteUndone(now('8-undone', 9));
  assert.deepEqual(stack.lastDone()?.edits, [{ ...edit('1', '2'), to: '4' }]);
  stack.noteUndone(now('5'));
  assert.equal(stack.lastDone(), undefined);
  // Each repetition starts from what the undo or the last repetition wrote.
  assert.equal(stack.lastUndone()?.edits[0]?.from, '5');
  stack.noteRepeated(now('6'));
  stack.noteRepeated(now('8-again', 9));
  assert.deepEqual([stack.lastUndone()?.edits[0]?.from, stack.lastUndone()?.edits[0]?.after.name], ['6', 'name 3']);
  stack.noteRepeated(now('9'));
  assert.equal(stack.lastUndone(), undefined);
  assert.equal(stack.lastDone()?.edits[0]?.to, '9');
  stack.noteUndone(now('10'));
  stack.noteUndone(now('11'));
  assert.equal(stack.lastDone()?.edits[0]?.to, '10');
});

test('an edit after an undo cannot be mixed with a repetition', () => {
  const stack = createUndoStack();
  stack.record([edit('1', '2')]);
  stack.noteUndone(now('3'));
  stack.record([edit('3', '4')]);
  assert.equal(stack.lastUndone(), undefined);
});

test('edits that were made together are undone together, without those that others hinder', () => {
  const stack = createUndoStack();
  stack.record([edit('1', '2', 1)]);
  stack.record([edit('2', '3', 1), edit('2', '3', 2), edit('2', '3', 3)]);
  stack.forget([3]);
  assert.deepEqual(
    stack.lastDone()?.edits.map(({ id }) => id),
    [1, 2],
  );
  // The second product could not be changed back.
  stack.noteUndone(now('4', 1));
  assert.deepEqual(stack.lastDone()?.edits, [{ ...edit('1', '2', 1), to: '4' }]);
  assert.deepEqual(stack.lastUndone()?.edits, [{ ...edit('2', '3', 1), from: '4' }]);
  stack.noteRepeated(now('5', 1));
  assert.deepEqual(stack.lastDone()?.edits, [{ ...edit('2', '3', 1), from: '4', to: '5' }]);
  stack.noteUndone(new Map());
  assert.deepEqual([stack.lastDone()?.edits[0]?.to, stack.lastUndone()], ['4', undefined]);
});

test('a foreign change between two edits keeps the older one from being undone', () => {
  const stack = createUndoStack();
  stack.record([edit('1', '2')]);
  stack.record([edit('theirs', '3')]);
  stack.noteUndone(now('4'));
  assert.equal(stack.lastDone()?.edits[0]?.to, '2');
});

test('edits of a product that others changed are forgotten, and so is everything once somebody else signs in', () => {
  const stack = createUndoStack();
  stack.record([edit('1', '2', 1)]);
  stack.record([edit('1', '2', 2)]);
  stack.forget([2]);
  assert.equal(stack.lastDone()?.edits[0]?.id, 1);
  stack.clear();
  assert.equal(stack.lastDone(), undefined);
  stack.noteUndone(now('1'));
  stack.noteRepeated(now('1'));
  assert.equal(stack.lastUndone(), undefined);
});

test('the stack keeps the last hundred edits', () => {
  const stack = createUndoStack();
  for (let number = 0; number < 150; number += 1) stack.record([edit(String(number), String(number + 1), number)]);
  let count = 0;
  for (; stack.lastDone(); count += 1) stack.noteUndone(now('x'));
  assert.equal(count, 100);
});

test('the sentence says what the product is again', () => {
  /** @param {Parameters<typeof describeValues>[1]} values */
  const say = (values) => describeValues('A-1', values, (parts) => parts.join('')).join('');
  assert.equal(say({ name: 'Lamp' }), 'The name of A-1 is “Lamp” again');
  assert.equal(say({ sku: 'A-1' }), 'The SKU of A-1 is “A-1” again');
  assert.equal(say({ description: ' \n' }), 'The description of A-1 is empty again');
  assert.equal(say({ description: `a\n${'b'.repeat(90)}` }), `The description of A-1 is “a ${'b'.repeat(58)}…” again`);
  assert.equal(say({ active: false }), 'A-1 is inactive again');
  assert.equal(say({ active: true }), 'A-1 is active again');
  assert.equal(
    say({ name: 'a', description: 'b', active: true }),
    'The name, description, and state of A-1 are as they were',
  );
});
