import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  delimiterName,
  describeDetected,
  describeFormat,
  describeMissing,
  describeOptions,
  describeQuoting,
  differingOptions,
  encodingName,
  formValues,
  packingName,
  retryValues,
} from '../../../static/js/imports/options.js';
import { createFile, createImport } from './factories.js';

test('delimiters have names, and unknown ones are quoted', () => {
  assert.equal(delimiterName('\t'), 'Tab');
  assert.equal(delimiterName('~'), '“~”');
});

test('an encoding has one name in all of its spellings', () => {
  for (const spelling of ['cp1252', 'CP-1252', 'cp_1252']) {
    assert.equal(encodingName(spelling), 'Windows-1252 (Western)');
  }
  assert.equal(encodingName('UTF8'), 'UTF-8');
  assert.equal(encodingName('utf-8-sig'), 'UTF-8 with a byte order mark');
});

test('an encoding that is not among the choices is named as the server names it', () => {
  assert.equal(encodingName('iso8859_7'), 'ISO8859-7');
  assert.equal(encodingName('utf_32'), 'UTF-32');
  assert.equal(encodingName('hp_roman8'), 'hp_roman8');
  assert.equal(encodingName('koi8_r'), 'KOI8-R (Cyrillic)');
});

test('compression formats have names', () => {
  assert.equal(packingName('none'), 'uncompressed');
  assert.equal(packingName('zip'), 'zip archive');
});

test('the quoting of a file is described', () => {
  assert.equal(describeQuoting({ quote: '', escaped: false }), 'no quotes');
  assert.equal(describeQuoting({ quote: '"', escaped: false }), 'fields quoted with "');
  assert.equal(describeQuoting({ quote: "'", escaped: true }), "fields quoted with ', \\' within");
});

test('the detected format has the labels of the options', () => {
  assert.deepEqual(describeDetected(null), {});
  assert.deepEqual(describeDetected(createFile({ delimiter: ';', quote: '', encoding: 'cp1252' })), {
    delimiter: 'Semicolon',
    quote: 'None',
    encoding: 'Windows-1252 (Western)',
  });
  assert.equal(describeDetected(createFile({ quote: '"', escaped: true })).quote, 'Double quotes, \\" within');
});

test('options are described without defaults', () => {
  const { options } = createImport();
  assert.equal(describeOptions(options), 'Create and update');
  assert.equal(
    describeOptions({
      ...options,
      mode: 'create',
      on_reject: 'fail',
      delimiter: ';',
      quote: '"',
      encoding: 'cp1252',
      mapping: { Preis: null },
    }),
    'Only create new · all or nothing · semicolon as delimiter · double quotes · Windows-1252 (Western) · ' +
      'columns chosen by hand',
  );
  assert.equal(describeOptions({ ...options, quote: 'none' }), 'Create and update · no quotes');
});

test('options of the rows and of missing products are described', () => {
  const { options } = createImport();
  const changed = /** @type {const} */ ({
    ...options,
    short_rows: 'accept',
    header_line: 3,
    sheet: 'Prices',
    missing: 'deactivate',
    missing_limit: 0.07,
  });
  assert.equal(
    describeOptions(changed),
    'Create and update · rows with fewer cells accepted · header in line 3 · sheet “Prices” · ' +
      'products not in the file deactivated, at most 7% of all',
  );
  assert.match(describeOptions({ ...changed, missing: 'delete' }), /products not in the file deleted/);
});

test('the effect of missing products is stated', () => {
  assert.equal(describeMissing('keep', '0.1'), 'They stay as they are.');
  assert.match(describeMissing('deactivate', '0.1'), /becomes inactive\. .* more than 10% of your products/);
  assert.match(describeMissing('deactivate', '1'), /It may concern all of your products\.$/);
  assert.match(describeMissing('delete', '0.0025'), /is deleted\. .* more than 0\.25% of your products/);
});

test('a workbook is described by its sheets, another file by its format', () => {
  assert.deepEqual(describeFormat(createFile({ packing: 'gzip' })), [
    'UTF-8',
    'comma between fields',
    'fields quoted with "',
    'gzip',
  ]);
  assert.deepEqual(describeFormat(createFile({ sheets: ['Prices', 'Notes'] })), ['Workbook with 2 sheets']);
});

test('a retry sends the options that differ, with the types of the API', () => {
  const initial = formValues(createImport().options);
  assert.deepEqual(differingOptions(initial, { ...initial, missing_limit: '0.5' }), []);
  const chosen = { ...initial, header_line: '3', missing: 'delete', missing_limit: '0.5', encoding: 'cp1252' };
  const names = differingOptions(initial, chosen);
  assert.deepEqual(retryValues(chosen, names), {
    header_line: 3,
    encoding: 'cp1252',
    missing: 'delete',
    missing_limit: 0.5,
  });
  assert.deepEqual(retryValues(initial, differingOptions(chosen, { ...initial, missing: 'keep' })), {
    header_line: null,
    encoding: null,
    missing: 'keep',
  });
});
