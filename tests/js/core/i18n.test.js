import assert from 'node:assert/strict';
import { test } from 'node:test';

import { t, tRich } from '../../../static/js/core/i18n.js';

test('a text has its arguments in it, and numbers have the format of the region', () => {
  assert.equal(t('page.help'), 'Help');
  assert.equal(t('core.format.today', { time: '14:05' }), 'today at 14:05');
  assert.equal(t('core.format.minutes', { count: 1234 }), '1,234 min');
});

test('a text with markup stays a text', () => {
  assert.equal(t('core.format.today', { time: '<b>{x}</b>' }), 'today at <b>{x}</b>');
});

test('an argument of a text with elements may be an element', () => {
  const element = /** @type {Node} */ (/** @type {unknown} */ ({ nodeName: 'B' }));
  assert.deepEqual(tRich('core.format.today', { time: element }), ['today at ', element]);
});

test('the types know every text and its arguments', () => {
  // @ts-expect-error: there is no such text
  assert.equal(t('page.hepl'), 'page.hepl');
  // @ts-expect-error: an argument is missing
  assert.throws(() => t('core.format.minutes', {}));
  // @ts-expect-error: the argument is no number
  t('core.format.minutes', { count: 'many' });
  // @ts-expect-error: the text takes no arguments
  t('page.help', { count: 1 });
  // @ts-expect-error: there is one argument too many
  t('core.format.minutes', { count: 1, more: 2 });
});
