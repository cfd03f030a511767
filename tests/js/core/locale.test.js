import assert from 'node:assert/strict';
import { test } from 'node:test';

import { chooseRegion } from '../../../static/js/core/locale.js';

/** @param {string} language @param {...string} accepted */
function dateOf(language, ...accepted) {
  const { locale, hourCycle } = chooseRegion(language, accepted);
  const format = new Intl.DateTimeFormat(locale, {
    dateStyle: 'short',
    timeStyle: 'short',
    hourCycle,
    timeZone: 'UTC',
  });
  return format.format(Date.UTC(2026, 2, 5, 14, 5)).replace(/\s/g, ' ');
}

test('dates and the clock are those of the region', () => {
  assert.equal(dateOf('en', 'en-US'), '3/5/26, 2:05 PM');
  assert.equal(dateOf('en', 'en-GB', 'en'), '05/03/2026, 14:05');
  assert.equal(dateOf('de', 'de-DE', 'en-US'), '05.03.26, 14:05');
});

test('a language without a region is no region', () => {
  assert.equal(chooseRegion('en', ['en', 'en-GB']).locale, 'en-GB');
  assert.equal(chooseRegion('en', []).locale, 'en');
});

test('the first language decides about the clock and the region, even if the page is not in it', () => {
  assert.equal(dateOf('en', 'fr-CH'), '05.03.2026, 14:05');
  assert.equal(chooseRegion('en', ['fr-FR', 'en-GB']).locale, 'en-GB');
  assert.equal(chooseRegion('en', ['fr-FR']).hourCycle, 'h23');
});

test('what is no language is ignored', () => {
  assert.equal(chooseRegion('en', ['', 'x_y', '*', 'en-GB']).locale, 'en-GB');
});
