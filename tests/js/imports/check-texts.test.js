import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  checkHeadline,
  confirmLabel,
  describeAllOrNothing,
  describeOtherRows,
  describePlan,
} from '../../../static/js/imports/check-texts.js';
import { previewCounts } from '../../../static/js/imports/counts.js';
import { createCheckedImport, createImport, createPreview } from './factories.js';

/** @import { ImportOptions, Preview } from '../../../static/js/core/types.d.ts' */
/** @import { Count } from '../../../static/js/imports/counts.js' */

/** @param {Count[]} counts */
const values = (counts) => Object.fromEntries(counts.map(({ name, value }) => [name, value]));

test('an all-or-nothing import says how many rows are bad', () => {
  assert.deepEqual(describeAllOrNothing(1, 2), {
    title: '1 row is bad, and this import is all or nothing.',
    detail: 'Correct the file and import it again, or set the bad row aside and import the other one.',
  });
  assert.match(describeAllOrNothing(2, 9).title, /^2 rows are bad/);
  assert.match(describeAllOrNothing(2, 9).detail, /set the bad rows aside and import the others\.$/);
  assert.equal(describeAllOrNothing(2, 2).detail, 'Correct the file and import it again.');
});

test('a check says what can become of the rows that are not rejected', () => {
  assert.equal(describeOtherRows(createPreview({ rejected: 3 })), 'There are no other rows.');
  assert.equal(describeOtherRows(createPreview({ create: 1, rejected: 3 })), 'The other row can be imported.');
  assert.equal(
    describeOtherRows(createPreview({ update: 1, unchanged: 1199 })),
    'The other 1,200 rows can be imported.',
  );
  assert.equal(describeOtherRows(createPreview({ unchanged: 2 })), 'The other 2 rows would change nothing.');
});

test('the history says what an import that waits would do', () => {
  assert.equal(describePlan(createPreview()), 'Would change nothing');
  assert.equal(describePlan(createPreview({ update: 1200 })), 'Would update 1,200');
  assert.equal(
    describePlan(createPreview({ create: 5, update: 1, missing: 2 })),
    'Would create 5, update 1 and remove 2',
  );
});

/**
 * @param {Partial<Preview>} preview
 * @param {Partial<ImportOptions>} [options]
 */

const createCheck = (preview, options = {}) => {
  const job = createCheckedImport({ preview: createPreview(preview) });
  return { ...job, options: { ...job.options, ...options } };
};

test('the headline of a check says what would happen and how much is rejected', () => {
  assert.equal(checkHeadline(createImport()), 'Not counted');
  assert.equal(checkHeadline(createCheck({ unchanged: 2 })), 'Nothing would change');
  assert.equal(checkHeadline(createCheck({ create: 1 })), '1 product would be created');
  assert.equal(checkHeadline(createCheck({ create: 2, update: 1 })), '2 products would be created, 1 updated');
  assert.equal(
    checkHeadline(createCheck({ update: 1, unchanged: 1, duplicate: 1, rejected: 1 })),
    '1 product would be updated\u00a0· 1 of 4 rows rejected (25%)',
  );
  assert.equal(
    checkHeadline(createCheck({ create: 999, rejected: 1 })),
    '999 products would be created\u00a0· 1 of 1,000 rows rejected (less than 1%)',
  );
  assert.equal(
    checkHeadline(createCheck({ unchanged: 1, rejected: 999 })),
    'Nothing would change\u00a0· 999 of 1,000 rows rejected (more than 99%)',
  );
  assert.equal(checkHeadline(createCheck({ rejected: 3 })), 'Nothing would change: all 3 rows were rejected');
  assert.equal(checkHeadline(createCheck({ rejected: 1 })), 'Nothing would change: its only row was rejected');
});

test('a check states which products would be removed', () => {
  const deletion = createCheck({ create: 1, update: 2, missing: 1200 }, { missing: 'delete' });
  assert.equal(checkHeadline(deletion), '1 product would be created, 2 updated, 1,200 deleted');
  assert.equal(confirmLabel(deletion), 'Import 3 products and delete 1,200');
  assert.equal(values(previewCounts(deletion.preview ?? {}, deletion)).delete, 1200);
  const deactivation = createCheck({ unchanged: 4, missing: 1 }, { missing: 'deactivate' });
  assert.equal(checkHeadline(deactivation), '1 product would be deactivated');
  assert.equal(confirmLabel(deactivation), 'Deactivate 1 product');
  const keep = createCheck({ unchanged: 4, missing: 1 });
  assert.equal(confirmLabel(keep), 'Finish without changes');
  assert.equal('deactivate' in values(previewCounts(keep.preview ?? {}, keep)), false);
});
