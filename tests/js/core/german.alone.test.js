// The modules in a German browser. Each file of tests has a process of its own, so the language can be set here.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { argumentTypes } from '../../../tools/message-arguments.js';

const ENGLISH = new URL('../../../static/locales/en.json', import.meta.url).href;
const OWN = {
  'page.help': 'Hilfe (Test)',
  'log.rows': '{count, plural, one {# Zeile} other {# Zeilen}}{why, select, columns {: {columns}} other {}}',
  'failure.example': '{count, plural, one {# Zeile} other {# Zeilen}}: {columns}, {action, select, a {A} other {B}}',
};
const PARTIAL = `data:application/json,${encodeURIComponent(JSON.stringify(OWN))}`;
const GERMAN = new URL('../../../static/locales/de.json', import.meta.url).href;

// What the page loads: the catalogue of its language first, then those that have what it lacks.
const links = [PARTIAL, GERMAN, ENGLISH].map((href) => ({ href }));
Object.defineProperty(globalThis, 'document', {
  value: { documentElement: { lang: 'de' }, querySelectorAll: () => links },
});
Object.defineProperty(globalThis, 'navigator', { value: { languages: ['de-DE', 'de', 'en-US'] } });

const { apiText, t } = await import('../../../static/js/core/i18n.js');
const format = await import('../../../static/js/core/format.js');

test('a text is that of the first catalogue that has it', () => {
  assert.equal(t('page.help'), 'Hilfe (Test)');
  assert.equal(t('page.products'), 'Produkte');
});

test('plurals and numbers are German', () => {
  assert.equal(t('core.countdown.wait', { count: 1 }), 'Versuchen Sie es in 1 Sekunde erneut.');
  assert.equal(t('webhooks.chart.nothing', { days: 1 }), 'Es wurde in den letzten 24 Stunden nichts gesendet.');
  assert.equal(t('core.pager.of', { isEstimate: true, count: 1_234_567 }), 'von etwa 1.234.567');
});

test('sizes, shares, durations and times are those of the region', () => {
  const plain = (/** @type {string} */ text) => text.replace(/\s/g, ' ');
  assert.equal(plain(format.formatBytes(1500)), '1,5 kB');
  assert.equal(plain(format.formatPart(1, 1000)), 'weniger als 1 %');
  assert.equal(format.formatDuration(1.84), '1,8 s');
  assert.equal(format.formatTimeLeft(2), 'wenige Sekunden');
  assert.equal(format.formatList(['a', 'b', 'c']), 'a, b und c');
  assert.equal(format.formatAnd(['a', 'b', 'c']), 'a, b und c');
  assert.equal(format.formatOr(['a', 'b', 'c']), 'a, b oder c');
  const now = Date.parse('2026-03-05T14:00:00Z');
  assert.equal(format.formatRelative('2026-03-05T13:56:00Z', now), 'vor 4 Minuten');
});

test('an error of the API has a German text if its code has one', () => {
  assert.equal(apiText('error.duplicate_sku', { sku: 'A-1' }), 'Es gibt bereits ein Produkt mit der SKU „A-1“.');
  assert.equal(apiText('error.unheard_of'), null);
});

test('a sentence of the API is built from its details', () => {
  assert.equal(apiText('log.rows', { count: 1234, why: 'none', more: {} }), '1.234 Zeilen');
  const columns = ['A <b>', '{b}', 'c'];
  assert.equal(apiText('log.rows', { count: 1, why: 'columns', columns }), '1 Zeile: `A <b>`, `{b}`, `c`');
});

test('the sentence of the API remains if a detail is missing', () => {
  for (const details of [
    undefined,
    null,
    {},
    { count: 1 },
    { count: null, why: 'none' },
    { count: 1, why: 'columns' },
  ]) {
    assert.equal(apiText('log.rows', details), null);
  }
  assert.equal(apiText('log.rows', { count: {}, why: 'none' }), null);
});

test('a text for a code of the API is built from the details', () => {
  const details = { count: 1234, columns: ['SKU', '', 'Name {x}'], action: 'a', more: 1 };
  assert.equal(apiText('failure.example', details), '1.234 Zeilen: `SKU`, (leer), `Name {x}`, A');
  assert.equal(apiText('failure.example', { ...details, action: 'new' }), '1.234 Zeilen: `SKU`, (leer), `Name {x}`, B');
});

/** @type {Record<string, string>} */
const german = JSON.parse(readFileSync(new URL(GERMAN), 'utf8'));
/** Texts that are built from details of the API. */
const FROM_DETAILS = /^(?:error|failure|field|notice)\./;

/** @param {string} type as the tool names it @returns {string | number} */
const exampleOf = (type) => (type === 'number' ? 1234 : (/'(\w+)'/.exec(type)?.[1] ?? 'example'));

test('every text for a code of the API can be built', () => {
  for (const [key, message] of Object.entries(german).filter(([name]) => FROM_DETAILS.test(name))) {
    const types = Object.entries(argumentTypes(message));
    const details = Object.fromEntries(types.map(([name, type]) => [name, exampleOf(type)]));
    const text = apiText(/** @type {`failure.${string}`} */ (key), details) ?? '';
    assert.match(text, /^[\p{Lu}\d].*[.!?…]$/u, key);
    assert.ok(!/[{}]|NaN|undefined|\s\s/.test(text), text);
  }
});

test('without a detail that it needs, a code of the API has no text', () => {
  assert.equal(apiText('failure.example'), null);
  assert.equal(apiText('failure.example', null), null);
  assert.equal(apiText('failure.example', { count: 1, columns: [] }), null);
  assert.equal(apiText('failure.example', { count: 1, columns: null, action: 'a' }), null);
});

test('sentences of an import are German', () => {
  assert.equal(
    t('imports.option.with_quotes', { quote: 'single_escaped', escape: "\\'" }),
    "einfache Anführungszeichen, darin \\'",
  );
  assert.equal(t('imports.fix.counts', { applied: 1200, prepared: 2 }), '1.200 angewendet, 2 vorbereitet');
  assert.equal(t('imports.fix.counts', { applied: 0, prepared: 0 }), '');
  assert.match(
    t('imports.option.missing_effect', { action: 'delete', isLimited: true, share: '10 %' }),
    /wird gelöscht\..* mehr als 10 % Ihrer Produkte/,
  );
});
