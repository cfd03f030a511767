import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describeDeletion } from '../../../static/js/imports/delete-import.js';

const LATER = new Date(Date.now() + 3_600_000).toISOString();

test('the question says that an import which can be undone cannot be undone once it is deleted', () => {
  const text = describeDeletion({ kind: 'import', undo_until: LATER });
  assert.match(
    text,
    /The products stay as they are\. The import can be undone until .+; once it is deleted, it cannot\./,
  );
});

test('an import that cannot be undone, and an undo, lose only what is kept of them', () => {
  assert.equal(describeDeletion({ kind: 'import', undo_until: null }).includes('undone'), false);
  assert.equal(
    describeDeletion({ kind: 'undo', undo_until: null }),
    'Its result and log are deleted. The products stay as they are.',
  );
});
