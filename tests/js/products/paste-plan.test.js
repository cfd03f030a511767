import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { readActive } from '../../../static/js/products/active-words.js';
import { planClear, planPaste } from '../../../static/js/products/paste-plan.js';

/** @import { BlockColumn } from '../../../static/js/products/paste-plan.js' */

/** @type {BlockColumn[]} */
const ALL = ['sku', 'name', 'description', 'active', 'updated_at'];
const ONE = { rows: 1, columns: 1 };

const rows = [1, 2, 3, 4].map((id) => ({
  id,
  shown: { id, sku: `S-${id}`, name: `n${id}`, description: '', active: true, created_at: '', updated_at: '' },
}));

test('cells are pasted from the first cell of the target on', () => {
  const plan = planPaste([['x', 'y'], ['z']], rows.slice(1), ['name', 'description', 'active'], ONE);
  assert.deepEqual(plan.edits, [
    { id: 2, values: { name: 'x', description: 'y' } },
    // A row that is shorter than others leaves the rest as it is.
    { id: 3, values: { name: 'z' } },
  ]);
  assert.deepEqual([plan.refusals, plan.rowsLeftOut, plan.columnsLeftOut, plan.hasReadOnly], [[], 0, 0, false]);
});

test('one cell fills the target, and so do several if the target is a multiple of them', () => {
  const names = planPaste([['x']], rows, ['name', 'description'], { rows: 3, columns: 2 });
  assert.deepEqual(
    names.edits.map(({ values }) => values),
    Array(3).fill({ name: 'x', description: 'x' }),
  );
  const twice = planPaste([['a'], ['b']], rows, ['name'], { rows: 4, columns: 1 });
  assert.deepEqual(
    twice.edits.map(({ values }) => values.name),
    ['a', 'b', 'a', 'b'],
  );
  const other = planPaste([['a'], ['b']], rows, ['name'], { rows: 3, columns: 1 });
  assert.deepEqual(
    other.edits.map(({ id }) => id),
    [1, 2],
  );
});

test('what does not fit on the page is counted, and what makes no difference is not written', () => {
  const table = Array.from({ length: 20_000 }, (_, index) => [`n${index + 1}`, 'true', 'x', 'y', 'z']);
  const plan = planPaste(table, rows.slice(2), ['name', 'active', 'updated_at'], ONE);
  assert.deepEqual([plan.rowsLeftOut, plan.columnsLeftOut, plan.hasReadOnly], [19_998, 2, true]);
  assert.deepEqual(plan.edits, [
    { id: 3, values: { name: 'n1' } },
    { id: 4, values: { name: 'n2' } },
  ]);
  assert.deepEqual(planPaste([['n1', '', 'YES']], rows, ['name', 'description', 'active'], ONE).edits, []);
});

test('a value that the server would refuse is refused with a sentence, and the others are planned', () => {
  const table = [
    [' \t', 'n'.repeat(501), 'maybe'],
    ['s'.repeat(256), '\ud800', ''],
    [' N-3 ', '😀'.repeat(500), 'Nein'],
    ['S-4', 'a\0', 'off'],
  ];
  const plan = planPaste(table, rows, ['sku', 'name', 'active'], ONE);
  assert.deepEqual(
    plan.refusals.map(({ id, field, reason }) => [id, field, reason]),
    [
      [1, 'sku', 'A SKU cannot be empty.'],
      [1, 'name', 'At most 500 characters are allowed; this has 501.'],
      [1, 'active', '“maybe” is neither true nor false.'],
      [2, 'sku', 'At most 255 characters are allowed; this has 256.'],
      [2, 'name', 'The text has characters that cannot be stored.'],
      [4, 'name', 'The text has characters that cannot be stored.'],
    ],
  );
  assert.deepEqual(plan.edits, [
    { id: 3, values: { sku: 'N-3', name: '😀'.repeat(500), active: false } },
    { id: 4, values: { active: false } },
  ]);
});

test('clearing empties names and descriptions only', () => {
  const plan = planClear(rows.slice(0, 2), ALL);
  assert.deepEqual(plan.edits, [
    { id: 1, values: { name: '' } },
    { id: 2, values: { name: '' } },
  ]);
  assert.deepEqual(planClear(rows, ['sku', 'active']).edits, []);
});

test('the words for "active" are those of an import', () => {
  const file = new URL('../../../importer/columns/active_words.json', import.meta.url);
  const words = JSON.parse(readFileSync(file, 'utf8'));
  assert.deepEqual(words.t.map(readActive), Array(words.t.length).fill(true));
  assert.deepEqual(words.f.map(readActive), Array(words.f.length).fill(false));
  assert.equal(readActive('maybe'), undefined);
});
