import assert from 'node:assert/strict';
import { test } from 'node:test';

import { findFileProblem, findSelectionProblem, summarizeProblems } from '../../../static/js/imports/file-check.js';

test('files with the suffix of a supported format are accepted', () => {
  const names = [
    'a.csv',
    'a.CSV',
    'a.tsv',
    'a.tab',
    'a.txt',
    'a.csv.gz',
    'a.tsv.bz2',
    'a.txt.xz',
    'a.csv.zst',
    'a.zip',
  ];
  for (const name of [...names, 'a.xlsx', 'a.XLSM', 'a.xlsb', 'a.xls', 'a.ods']) {
    assert.equal(findFileProblem({ name, size: 1 }), null, name);
  }
});

test('other files have a problem', () => {
  for (const name of ['a.pdf', 'a.gz', 'csv', 'xlsx', 'a.xlsx.gz', 'a.zip.gz', 'a.xlsxx']) {
    assert.equal(findFileProblem({ name, size: 1 })?.title, `“${name}” is not a CSV file or a workbook.`);
  }
  assert.equal(findFileProblem({ name: 'a.csv', size: 0 })?.title, '“a.csv” is empty.');
});

test('an option that removes products takes one file', () => {
  assert.equal(findSelectionProblem(2, 'keep'), null);
  assert.equal(findSelectionProblem(1, 'delete'), null);
  assert.match(findSelectionProblem(2, 'deactivate')?.title ?? '', /would deactivate the products of the others/);
});

test('problems of several files become one', () => {
  assert.equal(summarizeProblems([], 2), null);
  const empty = { title: '“a.csv” is empty.', detail: 'Choose another file.' };
  const folder = { title: '“b” is a folder.', detail: 'Drop its files.' };
  assert.deepEqual(summarizeProblems([empty], 0), empty);
  assert.equal(summarizeProblems([empty], 1)?.detail, 'Choose another file. The other file is being uploaded.');
  const both = summarizeProblems([empty, folder], 0);
  assert.equal(both?.title, '“a.csv” is empty. “b” is a folder.');
  assert.match(both?.detail ?? '', /^Choose CSV files/);
});
