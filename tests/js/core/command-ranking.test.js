import assert from 'node:assert/strict';
import { test } from 'node:test';

import { rankCommands, withRecent } from '../../../static/js/core/command-ranking.js';
import { commandsWithShortcuts, currentCommands, provideCommands } from '../../../static/js/core/commands.js';

/** @import { Command } from '../../../static/js/core/commands.js' */

/** @type {Command[]} */
const COMMANDS = [
  { id: 'export', label: 'Export as CSV', keywords: 'download file', run: () => {} },
  { id: 'clear', label: 'Clear filters', run: () => {} },
  { id: 'go-products', label: 'Products', group: 'Go to', run: () => {} },
  { id: 'menu', label: 'Command menu', isHidden: true, run: () => {} },
];

/**
 * @param {string} text
 * @param {string[]} [recent]
 */
const titles = (text, recent = []) =>
  rankCommands(COMMANDS, text, recent).map(({ title, entries }) => [
    title,
    ...entries.map((entry) => entry.command.id),
  ]);

test('without a text, recent commands come first, then the groups', () => {
  assert.deepEqual(titles(''), [
    ['On this screen', 'export', 'clear'],
    ['Go to', 'go-products'],
  ]);
  assert.deepEqual(titles(' ', ['go-products', 'gone', 'clear']), [
    ['Recent', 'go-products', 'clear'],
    ['On this screen', 'export'],
  ]);
});

test('a text finds commands by their labels, and less likely by other words', () => {
  assert.deepEqual(titles('csv'), [['Commands', 'export']]);
  assert.deepEqual(titles('download'), [['Commands', 'export']]);
  assert.deepEqual(titles('menu'), []);
});

test('the last command used is the first, once', () => {
  assert.deepEqual(withRecent(['a', 'b'], 'b'), ['b', 'a']);
  assert.equal(
    withRecent(
      Array.from({ length: 30 }, (_, index) => String(index)),
      'x',
    ).length,
    10,
  );
});

test('commands are asked for each time, and the first of one id counts', () => {
  let isReady = false;
  const stop = provideCommands(() => [
    { id: 'one', label: 'First', shortcuts: ['x'], when: () => isReady, run: () => {} },
    { id: 'two', label: 'Second', run: () => {} },
  ]);
  const stopOther = provideCommands(() => [{ id: 'two', label: 'Other', run: () => {} }]);
  assert.deepEqual(
    currentCommands().map(({ label }) => label),
    ['Second'],
  );
  // The help also lists shortcuts that do nothing now.
  assert.deepEqual(
    commandsWithShortcuts().map(({ label }) => label),
    ['First'],
  );
  isReady = true;
  assert.equal(currentCommands()[0]?.label, 'First');
  stop();
  stopOther();
  assert.deepEqual(currentCommands(), []);
});
