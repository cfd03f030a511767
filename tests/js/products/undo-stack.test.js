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
  at: 0,
});

test('several edits of a product are undone from the version that the last undo wrote, and repeated', () => {
  const stack = createUndoStack();
  stack.record(edit('1', '2'));
  stack.record(edit('7', '8', 9));
  stack.record(edit('2', '3'));
  assert.equal(stack.lastDone()?.to, '3');
  stack.noteUndone('4');
  stack.noteUndone('8-undone');
  assert.deepEqual(stack.lastDone(), { ...edit('1', '2'), to: '4' });
  stack.noteUndone('5');
  assert.equal(stack.lastDone(), undefined);
  // Each repetition starts from what the undo or the last repetition wrote.
  assert.equal(stack.lastUndone()?.from, '5');
  stack.noteRepeated('6');
  stack.noteRepeated('8-again');
  assert.deepEqual([stack.lastUndone()?.from, stack.lastUndone()?.after.name], ['6', 'name 3']);
  stack.noteRepeated('9');
  assert.equal(stack.lastUndone(), undefined);
  assert.equal(stack.lastDone()?.to, '9');
  stack.noteUndone('10');
  stack.noteUndone('11');
  assert.equal(stack.lastDone()?.to, '10');
});

test('an edit after an undo cannot be mixed with a repetition', () => {
  const stack = createUndoStack();
  stack.record(edit('1', '2'));
  stack.noteUndone('3');
  stack.record(edit('3', '4'));
  assert.equal(stack.lastUndone(), undefined);
});

test('a foreign change between two edits keeps the older one from being undone', () => {
  const stack = createUndoStack();
  stack.record(edit('1', '2'));
  stack.record(edit('theirs', '3'));
  stack.noteUndone('4');
  assert.equal(stack.lastDone()?.to, '2');
});

test('edits of a product that others changed are forgotten, and so is everything once somebody else signs in', () => {
  const stack = createUndoStack();
  stack.record(edit('1', '2', 1));
  stack.record(edit('1', '2', 2));
  stack.forget(2);
  assert.equal(stack.lastDone()?.id, 1);
  stack.clear();
  assert.equal(stack.lastDone(), undefined);
  stack.noteUndone('1');
  stack.noteRepeated('1');
  assert.equal(stack.lastUndone(), undefined);
});

test('the stack keeps the last hundred edits', () => {
  const stack = createUndoStack();
  for (let number = 0; number < 150; number += 1) stack.record(edit(String(number), String(number + 1), number));
  let count = 0;
  for (; stack.lastDone(); count += 1) stack.noteUndone('x');
  assert.equal(count, 100);
});

test('the sentence says what the product is again', () => {
  /** @param {Parameters<typeof describeValues>[1]} values */
  const say = (values) =>
    describeValues('A-1', values)
      .map((part) => (typeof part === 'string' ? part : part.value))
      .join('');
  assert.equal(say({ name: 'Lamp' }), 'The name of A-1 is “Lamp” again');
  assert.equal(say({ sku: 'A-1' }), 'The SKU of A-1 is “A-1” again');
  assert.equal(say({ description: ' \n' }), 'The description of A-1 is empty again');
  assert.equal(say({ description: `a\n${'b'.repeat(90)}` }), `The description of A-1 is “a ${'b'.repeat(58)}…” again`);
  assert.equal(say({ active: false }), 'A-1 is inactive again');
  assert.equal(say({ active: true }), 'A-1 is active again');
  assert.equal(
    say({ name: 'a', description: 'b', active: true }),
    'The name, description and state of A-1 are as they were',
  );
});
