import assert from 'node:assert/strict';
import { test } from 'node:test';

import { boundWidth, planWidths, readWidths } from '../../../static/js/products/width-plan.js';

/** @import { SizedColumn, Widths } from '../../../static/js/products/width-plan.js' */

/** @type {SizedColumn[]} */
const ALL = ['sku', 'name', 'description'];

/**
 * @param {number} roomPx
 * @param {Widths} natural
 * @param {Widths} [chosen]
 * @param {SizedColumn[]} [columns]
 */
const plan = (roomPx, natural, chosen = {}, columns = ALL) => {
  const { widths, totalPx } = planWidths({ columns, roomPx, natural, chosen });
  return [...columns.map((column) => widths[column]), totalPx];
};

test('columns are as wide as their content, and the last one takes the rest', () => {
  assert.deepEqual(plan(1000, { sku: 260, name: 180, description: 3000 }), [260, 180, 560, 1000]);
  assert.deepEqual(plan(600, { sku: 260, name: 180 }, {}, ['sku', 'name']), [260, 340, 600]);
});

test('short contents leave readable columns', () => {
  assert.deepEqual(plan(1000, { sku: 30, name: 0 }), [120, 140, 740, 1000]);
});

test('long contents share the room, and what a short one leaves goes to the other', () => {
  assert.deepEqual(plan(1000, { sku: 2000, name: 2000 }), [400, 400, 200, 1000]);
  assert.deepEqual(plan(1000, { sku: 2000, name: 150 }), [650, 150, 200, 1000]);
});

test('chosen widths are kept, even if the table becomes wider than its room', () => {
  assert.deepEqual(plan(1000, { sku: 300, name: 180 }, { sku: 90 }), [90, 180, 730, 1000]);
  assert.deepEqual(plan(1000, { sku: 150, name: 180 }, { name: 900 }), [120, 900, 200, 1220]);
  assert.deepEqual(plan(1000, { sku: 150, name: 180 }, { description: 300 }), [150, 180, 300, 630]);
});

test('only widths are read from what was stored', () => {
  assert.deepEqual(readWidths('{"sku": 250.4, "name": "wide", "description": 9e9, "other": 5}'), {
    sku: 250,
    description: 1200,
  });
  for (const stored of [null, '', 'null', '[]', '{']) assert.deepEqual(readWidths(stored), {});
  assert.equal(boundWidth(-5), 80);
});
