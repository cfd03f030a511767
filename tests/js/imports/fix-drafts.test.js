import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  createFixDrafts,
  discardDrafts,
  draftsOf,
  hasDrafts,
  keyOf,
  problemsOf,
  requestOf,
} from '../../../static/js/imports/fix-drafts.js';

const MAYBE = { column: 'Active', value: 'maybe', replacement: 'inactive' };
const ROW = { line: 7, row: ['A-1', 'Lamp'], before: ['A-1'] };

test('a correction replaces an earlier one of the same value or line', () => {
  const drafts = createFixDrafts();
  let changes = 0;
  drafts.changed.subscribe(() => {
    changes += 1;
  });
  drafts.put(MAYBE);
  drafts.put(ROW);
  drafts.put({ ...MAYBE, replacement: 'active' });
  drafts.put({ ...MAYBE, column: 'Other' });
  assert.deepEqual(
    drafts.list().map(({ fix }) => requestOf(fix)),
    [
      { ...MAYBE, replacement: 'active' },
      { line: 7, row: ['A-1', 'Lamp'] },
      { ...MAYBE, column: 'Other' },
    ],
  );
  drafts.remove(keyOf({ line: 7 }));
  drafts.remove(keyOf({ line: 8 }));
  assert.equal(drafts.list().length, 2);
  assert.equal(changes, 5);
});

test('what changed after it was sent stays', () => {
  const drafts = createFixDrafts();
  drafts.put(MAYBE);
  drafts.put(ROW);
  const sent = drafts.list();
  drafts.put({ ...ROW, row: ['A-1', 'Chair'] });
  drafts.removeSent(sent);
  assert.deepEqual(
    drafts.list().map(({ key }) => key),
    ['line:7'],
  );
});

test('a refusal names the corrections that are to blame', () => {
  const drafts = createFixDrafts();
  drafts.put(MAYBE);
  drafts.put(ROW);
  const problems = problemsOf(
    {
      'fixes.1.row': ['The row has a NUL.'],
      'fixes.1.line': ['No such line.'],
      other: ['Wrong.'],
      'fixes.9.row': ['?'],
    },
    drafts.list(),
  );
  assert.deepEqual([...problems], [['line:7', 'The row has a NUL. No such line.']]);
  drafts.setProblems(problems);
  assert.equal(drafts.get('line:7')?.problem, 'The row has a NUL. No such line.');
  assert.equal(drafts.get(keyOf(MAYBE))?.problem, '');
  drafts.put(ROW);
  assert.equal(drafts.get('line:7')?.problem, '');
});

test('corrections are kept for each import until they are discarded', () => {
  draftsOf('one').put(MAYBE);
  assert.equal(draftsOf('one').list().length, 1);
  assert.equal(draftsOf('two').list().length, 0);
  assert.equal(hasDrafts(), true);
  discardDrafts('one');
  assert.equal(hasDrafts(), false);
  assert.equal(draftsOf('one').list().length, 0);
});
