import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  delimiterName,
  describeDetected,
  describeOptions,
  describeQuoting,
  encodingName,
  packingName,
} from '../../../static/js/imports/options.js';
import { createFile, createImport } from './factories.js';

test('delimiters have names, and unknown ones are quoted', () => {
  assert.equal(delimiterName('\t'), 'Tab');
  assert.equal(delimiterName('~'), '“~”');
});

test('an encoding has one name in all of its spellings', () => {
  for (const spelling of ['cp1252', 'CP-1252', 'cp_1252']) {
    assert.equal(encodingName(spelling), 'Windows-1252 (Western European)');
  }
  assert.equal(encodingName('UTF8'), 'UTF-8');
  assert.equal(encodingName('utf-8-sig'), 'UTF-8 with a byte order mark');
  assert.equal(encodingName('koi8_r'), 'KOI8-R (Cyrillic)');
  assert.equal(encodingName('utf-8+mac-roman'), 'UTF-8 and Mac OS Roman (Western European)');
});

test('an encoding that is not among the choices is named as the server names it', () => {
  assert.equal(encodingName('iso8859_7'), 'ISO8859-7');
  assert.equal(encodingName('utf_32'), 'UTF-32');
  assert.equal(encodingName('mac_greek'), 'mac_greek');
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
    encoding: 'Windows-1252 (Western European)',
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
    'Only create new · all or nothing · semicolon as delimiter · double quotes · Windows-1252 (Western European) · ' +
      'columns chosen by hand',
  );
  assert.equal(describeOptions({ ...options, quote: 'none' }), 'Create and update · no quotes');
});
