import assert from 'node:assert/strict';
import { test } from 'node:test';

import { formatMoment } from '../../../static/js/core/format.js';
import { bulkQuestion, deleteAllQuestion, describeNoChange } from '../../../static/js/products/bulk-questions.js';

/** @import { BulkChange } from '../../../static/js/core/bulk-kind.js' */

const UNTIL = '2026-12-06T14:30:00Z';
const UNDO = `You can undo this until ${formatMoment(UNTIL)}.`;

/** @type {BulkChange} */
const DEACTIVATE = { action: 'deactivate', field: null, value: null };

/**
 * @param {number} count
 * @param {number} found
 * @param {string | null} [until]
 */
const createPlan = (count, found, until = UNTIL) => ({ message: '', count, found, undo_until: until });

/**
 * @param {'name' | 'description' | 'active'} field
 * @param {string | boolean} value
 * @returns {BulkChange}
 */
const setTo = (field, value) => ({ action: 'set', field, value });

test('a question states how many of the products change, why the others do not, and the end of the undo', () => {
  assert.deepEqual(bulkQuestion(DEACTIVATE, 'filter', createPlan(1200, 1412)), {
    title: 'Deactivate 1,200 of the 1,412 matching products?',
    text: `212 are inactive already. ${UNDO}`,
    ok: 'Deactivate 1,200 products',
  });
  assert.deepEqual(bulkQuestion(DEACTIVATE, 'ids', createPlan(1, 2)), {
    title: 'Deactivate 1 of the 2 selected products?',
    text: `1 is inactive already. ${UNDO}`,
    ok: 'Deactivate 1 product',
  });
});

test('a question about all products says all, unless they were selected one by one', () => {
  assert.equal(bulkQuestion(DEACTIVATE, 'all', createPlan(30, 30)).title, 'Deactivate all 30 products?');
  assert.equal(bulkQuestion(DEACTIVATE, 'filter', createPlan(30, 30)).title, 'Deactivate all 30 matching products?');
  assert.equal(bulkQuestion(DEACTIVATE, 'ids', createPlan(30, 30)).title, 'Deactivate 30 selected products?');
  assert.equal(bulkQuestion(DEACTIVATE, 'filter', createPlan(1, 1)).title, 'Deactivate the matching product?');
  assert.equal(bulkQuestion(DEACTIVATE, 'ids', createPlan(30, 30)).text, UNDO);
});

test('a question shows the value that it sets', () => {
  const plan = createPlan(21, 30);
  assert.deepEqual(bulkQuestion(setTo('name', 'Blue lamp'), 'ids', plan), {
    title: 'Set the name of 21 of the 30 selected products?',
    text: `The name becomes “Blue lamp”. 9 have this name already. ${UNDO}`,
    ok: 'Set the name of 21 products',
  });
  assert.match(bulkQuestion(setTo('description', 'It\nshines.'), 'ids', plan).text, /becomes “It shines.” 9 have/);
  assert.match(bulkQuestion(setTo('description', 'x'.repeat(300)), 'ids', plan).text, / “x{200}…” 9 have/);
  assert.deepEqual(bulkQuestion(setTo('description', ''), 'ids', plan), {
    title: 'Clear the description of 21 of the 30 selected products?',
    text: `9 have no description. ${UNDO}`,
    ok: 'Clear the description of 21 products',
  });
  assert.equal(bulkQuestion(setTo('active', true), 'all', plan).title, 'Activate 21 of the 30 products?');
});

test('a question says if there is no undo', () => {
  assert.match(bulkQuestion(DEACTIVATE, 'ids', createPlan(30, 30, null)).text, /^This cannot be undone/);
  assert.match(deleteAllQuestion(createPlan(30, 30, null)).text, /This cannot be undone/);
});

test('the question before all products are deleted states their number', () => {
  const question = deleteAllQuestion(createPlan(500_000, 500_000));
  assert.equal(question.title, 'Delete all 500,000 products?');
  assert.ok(question.text.endsWith(UNDO));
});

test('a change without effect says why', () => {
  assert.equal(
    describeNoChange(DEACTIVATE, createPlan(0, 1412)),
    'Nothing to change: all 1,412 products are inactive already',
  );
  assert.equal(describeNoChange(DEACTIVATE, createPlan(0, 1)), 'Nothing to change: the product is inactive already');
  assert.equal(
    describeNoChange(DEACTIVATE, createPlan(0, 0)),
    'Nothing to change: none of the products exists any more',
  );
});
