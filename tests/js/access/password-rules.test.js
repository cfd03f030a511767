import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hintFor } from '../../../static/js/access/password-rules.js';

test('a password needs 12 characters, of which five differ', () => {
  assert.equal(hintFor('').isGood, false);
  assert.equal(hintFor('short').text, '7 more characters needed.');
  assert.equal(hintFor('elevenchars').text, '1 more character needed.');
  assert.equal(hintFor('aaaabbbbcccc').isGood, false);
  assert.equal(hintFor('twelve chars').isGood, true);
  assert.equal(hintFor('a lamp in every room '.repeat(10)).isGood, false);
});

test('characters count as the server counts them', () => {
  assert.equal(hintFor('💡🔑🔒🧭🪛🧲').text, '6 more characters needed.');
});

test('the name and the email address are no passwords', () => {
  assert.equal(hintFor('Ada@Example.com', ['ada@example.com']).isGood, false);
  assert.equal(hintFor('Ada Lovelace and a lamp', ['Ada Lovelace']).isGood, true);
});
