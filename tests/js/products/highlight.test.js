import assert from 'node:assert/strict';
import { test } from 'node:test';

import { matchesToSee, passagesOf, startOf } from '../../../static/js/products/highlight.js';

/** @import { Part } from '../../../static/js/products/highlight.js' */

/** @param {Part[]} parts @returns {string} with brackets around the matches */
const mark = (parts) => parts.map(({ text, isMatch }) => (isMatch ? `[${text}]` : text)).join('');

/**
 * @param {string} text
 * @param {...string} words
 */
const start = (text, ...words) => mark(startOf(text, words));

/**
 * @param {string} text
 * @param {...string} words
 */
const passages = (text, ...words) => mark(passagesOf(text, words, 144));

const LOREM = 'Lorem ipsum dolor sit amet, consetetur sadipscing elitr, '.repeat(8);

test('every match of every word is marked, ignoring case', () => {
  assert.equal(start('Blue lamp, BLUE LAMPSHADE', 'lamp', 'blue'), '[Blue] [lamp], [BLUE] [LAMP]SHADE');
  assert.equal(start('Blue lamp', 'oak'), 'Blue lamp');
  assert.equal(start('', 'oak'), '');
  assert.equal(start('100% (a_b) x\\y .*', '%', 'a_b', 'x\\y', '.*'), '100[%] ([a_b]) [x\\y] [.*]');
});

test('matches that overlap or touch are one', () => {
  assert.equal(start('lampshade', 'lamps', 'pshade'), '[lampshade]');
  assert.equal(start('lamps', 'lam', 'lamp'), '[lamp]s');
  assert.equal(start('annanna', 'anna'), '[annanna]');
  assert.equal(start('bluelamp', 'blue', 'lamp'), '[bluelamp]');
});

test('letters whose lower-case form is longer keep the places of the others', () => {
  assert.equal(start('İİİ lamp İ', 'LAMP'), 'İİİ [lamp] İ');
  assert.equal(start('ÄRMEL 🧦 STRASSE', 'ärm', '🧦'), '[ÄRM]EL [🧦] STRASSE');
});

test('spaces of any kind become one space, and a text may match across them', () => {
  assert.equal(start('blue\n\n lamp  shade', 'shade'), 'blue lamp [shade]');
  assert.equal(start('blue\nlamp', 'blue\nlamp'), '[blue lamp]');
});

test('the start of a long text is cut, also within a match', () => {
  assert.equal(start('x'.repeat(1000), 'y').length, 300);
  assert.equal(start(`${'x'.repeat(298)}lamp`, 'lamp'), `${'x'.repeat(298)}[la]`);
});

test('the first match of each word has to be in view', () => {
  assert.equal(matchesToSee('Blue lamp', []), 0);
  assert.equal(matchesToSee('Blue lamp', ['oak']), 0);
  assert.equal(matchesToSee('Blue lamp, blue lamp', ['blue']), 1);
  assert.equal(matchesToSee('Blue lamp, blue oak', ['blue', 'oak']), 3);
  assert.equal(matchesToSee(`${LOREM}lamp`, ['lamp']), Infinity);
  assert.equal(matchesToSee(`${'x'.repeat(298)}lamp`, ['lamp']), Infinity);
});

test('a passage starts and ends at a word near the match', () => {
  assert.equal(passages(`${LOREM}the lamp`, 'lamp'), '…sadipscing elitr, the [lamp]');
  assert.equal(passages(`the lamp ${LOREM}`, 'lamp').startsWith('the [lamp] Lorem'), true);
  assert.equal(
    passages(`${'x'.repeat(400)}lamp${'y'.repeat(400)}`, 'lamp').startsWith(`…${'x'.repeat(24)}[lamp]y`),
    true,
  );
  assert.equal(passages(`${'🧦'.repeat(200)}xlamp`, 'lamp'), `…${'🧦'.repeat(12)}x[lamp]`);
});

test('passages far from each other are joined by an ellipsis, near ones are one', () => {
  assert.equal(
    passages(`oak ${LOREM}of lamp`, 'lamp', 'oak'),
    '[oak] Lorem ipsum dolor sit … sadipscing elitr, of [lamp]',
  );
  assert.equal(passages(`${LOREM}oak lamp`, 'lamp', 'oak'), '…sadipscing elitr, [oak] [lamp]');
});

test('a narrow line has less beside its matches', () => {
  assert.equal(mark(passagesOf(`${LOREM}of bog oak`, ['oak'], 30)), '…bog [oak]');
  assert.equal(mark(passagesOf(`${LOREM}of bog oak`, ['oak'], 1)), '…[oak]');
});

test('matches beyond the part that is searched are not marked', () => {
  assert.equal(matchesToSee(`${'x'.repeat(100_000)}lamp`, ['lamp']), 0);
});
