// Errors of the API on a German page. Each file of tests has a process of its own, so the language can be set here.

import assert from 'node:assert/strict';
import { test } from 'node:test';

const GERMAN = new URL('../../../static/locales/de.json', import.meta.url).href;
Object.defineProperty(globalThis, 'document', {
  value: {
    documentElement: { lang: 'de' },
    querySelectorAll: () => [{ href: GERMAN }],
    querySelector: () => null,
    addEventListener: () => undefined,
  },
});
Object.defineProperty(globalThis, 'navigator', { value: { languages: ['de-DE'] } });

const { ApiError } = await import('../../../static/js/core/api.js');

test('a field has the text of the error if its sentence is that of the error', () => {
  const sentence = 'A product with the SKU A-1 already exists.';
  const body = { error: sentence, code: 'duplicate_sku', fields: { sku: [sentence] }, details: { sku: 'A-1' } };
  const error = new ApiError(409, body);
  assert.equal(error.message, 'Es gibt bereits ein Produkt mit der SKU „A-1“.');
  assert.deepEqual(error.fields, { sku: [error.message] });
});

test('a field has the text of its code, and the sentence of the server without one', () => {
  const long = 'At most 255 characters are allowed; this has 1000.';
  const error = new ApiError(400, {
    error: long,
    code: 'invalid_body',
    fields: { name: [long, 'Something else.'], sku: ['Unknown.'] },
    field_problems: { name: [{ code: 'too_long', details: { limit: 255, characters: 1000 } }, null] },
  });
  assert.deepEqual(error.fields, {
    name: ['Höchstens 255 Zeichen sind erlaubt; hier sind es 1.000. Kürzen Sie den Text.', 'Something else.'],
    sku: ['Unknown.'],
  });
  assert.equal(error.message, error.fields.name?.[0]);
});

test('a bulk change that has failed at once says why', () => {
  const details = { error_code: 'database_disk_full', error_details: { job: 'bulk' } };
  const error = new ApiError(503, { error: 'The disk is full.', code: 'bulk_failed', details });
  assert.match(error.message, /^Die Festplatte des Datenbankservers ist voll\..*die Massenänderung\.$/);
});
