import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describeFailed, describeRest, pasteQuestion } from '../../../static/js/products/paste-texts.js';

const refusal = { id: 1, sku: 'A', field: /** @type {const} */ ('sku'), reason: 'A SKU cannot be empty.' };
const plan = {
  edits: Array.from({ length: 1_200 }, (_, id) => ({ id, values: { name: 'x', active: true } })),
  refusals: [refusal],
  rowsLeftOut: 1,
  columnsLeftOut: 2,
  hasReadOnly: true,
};

test('the question states the number, the fields, what is left out and the way back', () => {
  assert.deepEqual(pasteQuestion(plan, 'paste'), {
    title: 'Change 1,200 products?',
    text:
      'The pasted values replace the name and state of 1,200 products. 1 cell cannot get its value. ' +
      '1 pasted row does not fit on this page of the list. 2 pasted columns go beyond the last one. ' +
      'The column “Updated” cannot be changed. Ctrl+Z undoes all of it.',
    ok: 'Change 1,200 products',
  });
  const clear = { ...plan, edits: [{ id: 1, values: { name: '' } }], refusals: [], rowsLeftOut: 0, columnsLeftOut: 0 };
  assert.equal(
    pasteQuestion({ ...clear, hasReadOnly: false }, 'clear').text,
    'The name of 1 product becomes empty. Ctrl+Z undoes all of it.',
  );
});

test('a complete paste leaves nothing out', () => {
  assert.deepEqual(
    describeRest({ edits: [], refusals: [], rowsLeftOut: 0, columnsLeftOut: 0, hasReadOnly: false }),
    [],
  );
});

test('the message counts the products that were not changed', () => {
  assert.equal(describeFailed(1, 1, false), 'The product was not changed.');
  assert.equal(describeFailed(2, 2, false), '2 products were not changed.');
  assert.equal(describeFailed(1, 30, false), '1 of 30 products was not changed.');
  assert.equal(describeFailed(3, 30, false), '3 of 30 products were not changed.');
  assert.equal(describeFailed(3, 30, true), '3 of 30 products did not get all of their values.');
  assert.equal(describeFailed(1, 1, true), 'The product did not get all of its values.');
});
