import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  canChangeOptions,
  candidatesOf,
  describeLines,
  describeSample,
  fixesOf,
  needsCount,
  retryOptionsOf,
} from '../../../static/js/imports/notice-content.js';
import { LATER, createImport, createNotice } from './factories.js';

/** @import { NoticeSample } from '../../../static/js/core/types.d.ts' */

test('lines are listed, and the others counted', () => {
  assert.equal(describeLines(createNotice({ count: 3 }), 3), '');
  assert.equal(describeLines(createNotice({ count: 1, lines: [1200] }), 3), 'Line 1,200');
  assert.equal(describeLines(createNotice({ count: 3, lines: [2, 3, 7] }), 3), 'Lines 2, 3 and 7');
  assert.equal(describeLines(createNotice({ count: 1500, lines: [2, 3, 7, 9] }), 2), 'Lines 2, 3 and 1,498 more');
});

test('the count is only shown beside a sentence without it', () => {
  const message = '1,204 rows have fewer cells than the header.';
  assert.equal(needsCount({ count: 1204 }, message), false);
  assert.equal(needsCount({ count: 2 }, 'Lines above the header were skipped.'), true);
  assert.equal(needsCount({ count: 1 }, 'A line above the header was skipped.'), false);
});

test('the fixes of a notice are those with a button of their own', () => {
  const accept = {
    code: 'accept_short_rows',
    label: 'Accept short rows',
    details: {},
    options: { short_rows: 'accept' },
  };
  const latin = { code: 'use_encoding', label: 'Read as Latin 1', details: {}, options: { encoding: 'latin-1' } };
  assert.deepEqual(fixesOf(createNotice()), []);
  assert.deepEqual(fixesOf(createNotice({ fix: accept, fixes: [accept, latin] })), [accept, latin]);
  /** @type {NoticeSample[]} */
  const samples = [{ readings: { 'latin-1': 'Grün', cp850: 'Gr³n' } }, { readings: { koi8_r: 'Grэn' } }];
  assert.deepEqual(candidatesOf(samples), ['latin-1', 'cp850', 'koi8_r']);
  assert.deepEqual(fixesOf(createNotice({ fix: accept, fixes: [latin], samples })), [accept]);
});

test('a fix is a check with its options, and removes a mapping that may not fit any more', () => {
  const { options } = createImport();
  const mapped = { options: { ...options, mapping: { Nr: 'sku' } } };
  assert.deepEqual(retryOptionsOf({ options }, { encoding: 'cp850' }), { encoding: 'cp850', preview: true });
  assert.deepEqual(retryOptionsOf(mapped, { header_line: 3 }), { mapping: null, header_line: 3, preview: true });
  assert.deepEqual(retryOptionsOf(mapped, { short_rows: 'accept' }), { short_rows: 'accept', preview: true });
  const changes = { mode: /** @type {const} */ ('update'), mapping: { Nr: null } };
  assert.deepEqual(retryOptionsOf({ options }, { short_rows: 'accept' }, changes), {
    ...changes,
    short_rows: 'accept',
    preview: true,
  });
  assert.equal(retryOptionsOf({ options }, { encoding: 'cp850' }, changes).mapping, null);
  const mapping = { Status: null };
  assert.deepEqual(retryOptionsOf(mapped, { encoding: 'cp850', mapping }), {
    encoding: 'cp850',
    mapping,
    preview: true,
  });
});

test('options can be changed before an import, and while its file is stored', () => {
  assert.equal(canChangeOptions(createImport({ status: 'awaiting_confirmation' })), true);
  assert.equal(canChangeOptions(createImport({ status: 'failed', retry_until: LATER })), true);
  assert.equal(canChangeOptions(createImport({ status: 'completed' })), false);
});

test('a sample tells what it has besides its text', () => {
  assert.equal(describeSample({ text: 'A-1', readings: { cp850: 'x' } }), '');
  assert.equal(
    describeSample({ text: 'A-1', line: 1200, now_empty: 'name', kept: 2, others: [] }),
    'line 1,200 · now empty: name · kept: 2',
  );
  const pair = { text: 'A-1: the name …', line: 2, kept_line: 3, sku: 'A-1', field: 'name', dropped: {}, kept: {} };
  assert.equal(describeSample(pair), 'line 2');
  assert.equal(describeSample({ text: 'A-1: Lamp', sku: 'A-1', field: 'name', before: 'Lamp' }), 'field: Name');
});
