import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseTsv, readClipboard, toHtml, toTsv } from '../../../static/js/products/clipboard-table.js';

test('cells come back as they were copied, whatever they contain', () => {
  const table = [
    ['A-1', 'Blue "big" lamp', 'two\nlines', '', 'true'],
    ['00123', '"quoted"', 'tab\there', '"', '""'],
    ['', ' spaces ', '"open', 'a\n"b"\n', '"a\tb"'],
  ];
  assert.deepEqual(parseTsv(toTsv(table)), table);
  for (const empty of [[['']], [[''], ['']], [['a'], ['']]]) assert.deepEqual(parseTsv(toTsv(empty)), empty);
});

test('the text of a spreadsheet is read with its quotes, line breaks and a last line break', () => {
  assert.deepEqual(parseTsv('a\tb\r\nc\t"d\r\ne ""f"""\r\n'), [
    ['a', 'b'],
    ['c', 'd\ne "f"'],
  ]);
  // Excel copies an empty cell as a line break.
  assert.deepEqual(parseTsv('\r\n'), [['']]);
  assert.deepEqual(parseTsv(''), []);
  assert.deepEqual(parseTsv('\n\na'), [[''], [''], ['a']]);
  assert.deepEqual(parseTsv('a\t'), [['a', '']]);
});

test('quotes that do not enclose a cell belong to the text', () => {
  assert.deepEqual(parseTsv('"blue"\t5" pipe\n"a"b\t"open'), [
    ['"blue"', '5" pipe'],
    ['"a"b', '"open'],
  ]);
});

test('a huge text is read, even if every cell starts a quote', () => {
  const rows = parseTsv(Array.from({ length: 20_000 }, () => '"a\t"b\t"c\t"d\t"e').join('\n'));
  assert.equal(rows.length, 20_000);
  assert.deepEqual(rows.at(-1), ['"a', '"b', '"c', '"d', '"e']);
});

test('the HTML keeps texts as they are, and has no tags but its own', () => {
  const html = toHtml([['<b>&', 'a\r\nb']]);
  assert.match(html, /<style>td\{mso-number-format:"\\@";/);
  assert.match(html, /<td sdnum="1033;0;@">&lt;b&gt;&amp;<\/td><td [^>]*>a<br>b<\/td>/);
});

test('the text of the clipboard comes first, and nothing is read from an empty one', () => {
  const data = { getData: (/** @type {string} */ type) => (type === 'text/plain' ? 'a\tb' : '<table></table>') };
  assert.deepEqual(readClipboard(data), [['a', 'b']]);
  assert.deepEqual(readClipboard({ getData: () => '' }), []);
  assert.deepEqual(readClipboard(null), []);
});
