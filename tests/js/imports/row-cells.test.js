import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  addCells,
  blamedColumn,
  describeWidth,
  differingCells,
  insertCell,
  joinCells,
  needsLines,
  openingCells,
  removeCell,
  slotsOf,
} from '../../../static/js/imports/row-cells.js';

/** @import { FileColumn } from '../../../static/js/core/types.d.ts' */

/**
 * @param {string} name
 * @param {FileColumn['field']} [field]
 * @returns {FileColumn}
 */
const column = (name, field = null) => ({ name, field, samples: [] });

const COLUMNS = [column('sku', 'sku'), column('Titel', 'name'), column('Preis')];

test('each cell has the place of its column', () => {
  assert.deepEqual(
    slotsOf(COLUMNS, ['A-1', 'Lamp', '9']).map(({ label, value }) => [label, value]),
    [
      ['sku', 'A-1'],
      ['Titel', 'Lamp'],
      ['Preis', '9'],
    ],
  );
});

test('surplus cells have no column, and columns without a cell have no value', () => {
  assert.deepEqual(slotsOf([column('sku', 'sku')], ['A-1', 'x', 'y']).slice(1), [
    { label: 'Surplus cell 1', column: null, value: 'x' },
    { label: 'Surplus cell 2', column: null, value: 'y' },
  ]);
  assert.deepEqual(slotsOf(COLUMNS, ['A-1', 'Lamp'])[2], { label: 'Preis', column: COLUMNS[2], value: null });
  assert.equal(slotsOf([column('')], ['x'])[0]?.label, '(no name)');
});

test('cells are inserted, removed, joined and added without a change of the given row', () => {
  const cells = ['A-1', 'Lamp', ' red', '9'];
  assert.deepEqual(insertCell(cells, 1), ['A-1', '', 'Lamp', ' red', '9']);
  assert.deepEqual(removeCell(cells, 2), ['A-1', 'Lamp', '9']);
  assert.deepEqual(joinCells(cells, 1, ','), ['A-1', 'Lamp, red', '9']);
  assert.deepEqual(addCells(['A-1'], 2), ['A-1', '', '']);
  assert.deepEqual(addCells(cells, 1), cells);
  assert.deepEqual(cells, ['A-1', 'Lamp', ' red', '9']);
});

test('the width of a row is described', () => {
  assert.equal(describeWidth(3, 3), 'The row has 3 cells, as the header has.');
  assert.equal(describeWidth(4, 3), '1 cell is too many. Remove one, or join cells that belong together.');
  assert.equal(describeWidth(6, 3), '3 cells are too many. Remove some, or join cells that belong together.');
  assert.equal(describeWidth(2, 3), '1 cell is missing. Insert empty cells where values are missing.');
});

test('a row is opened with the cells that the server found, else split at every delimiter', () => {
  assert.deepEqual(openingCells({ cells: ['A-1', 'Lamp; red'], row: 'A-1;"Lamp; red"' }, 2, ';'), ['A-1', 'Lamp; red']);
  assert.deepEqual(openingCells({ cells: null, row: 'A-1;"Lamp" red;9\r\n' }, 3, ';'), ['A-1', '"Lamp" red', '9']);
});

test('empty surplus cells at the end of a row are left out', () => {
  assert.deepEqual(openingCells({ cells: ['A-1', '', '', ''], row: 'A-1,,,' }, 2, ','), ['A-1', '']);
  assert.deepEqual(openingCells({ cells: ['A-1', '', 'x', ''], row: '' }, 2, ','), ['A-1', '', 'x']);
});

test('long values and values with line breaks need several lines', () => {
  assert.equal(needsLines('a lamp'), false);
  assert.equal(needsLines('a\nlamp'), true);
  assert.equal(needsLines('a\rlamp'), true);
  assert.equal(needsLines('lamp '.repeat(20)), true);
});

test('the column to blame is found by its name', () => {
  const columns = [column('Status (1)'), column('sku', 'sku'), column('Status (2)', 'active')];
  assert.equal(blamedColumn(columns, { column: 'sku' }), 1);
  assert.equal(blamedColumn(columns, { column: 'Status (2)' }), 2);
  assert.equal(blamedColumn(columns, { column: null }), -1);
  assert.equal(blamedColumn(columns, { column: 'Other' }), -1);
});

test('cells that differ are listed with their columns', () => {
  assert.deepEqual(differingCells(COLUMNS, ['A-1', 'Lamp', '9', 'x'], ['A-1', 'Chair', '9']), [
    { label: 'Titel', before: 'Lamp', after: 'Chair' },
    { label: 'Surplus cell 1', before: 'x', after: null },
  ]);
  assert.deepEqual(differingCells(COLUMNS, ['A-1'], ['A-1', '']), [{ label: 'Titel', before: null, after: '' }]);
});
