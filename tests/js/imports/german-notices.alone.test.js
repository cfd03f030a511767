// The sentences of notices on a German page. Each file of tests has a process of its own, so the language can be set.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TYPE, parse } from '@formatjs/icu-messageformat-parser';

/** @import { MessageFormatElement } from '@formatjs/icu-messageformat-parser' */
/** @typedef {Record<string, unknown>} Details */

const GERMAN = new URL('../../../static/locales/de.json', import.meta.url).href;
Object.defineProperty(globalThis, 'document', {
  value: { documentElement: { lang: 'de' }, querySelectorAll: () => [{ href: GERMAN }] },
});
Object.defineProperty(globalThis, 'navigator', { value: { languages: ['de-DE'] } });

const { apiText } = await import('../../../static/js/core/i18n.js');
const { factText, fixText, noticeText, sampleText } = await import('../../../static/js/imports/notice-texts.js');
/** @type {Record<string, string>} */
const messages = await (await fetch(GERMAN)).json();

/**
 * Return details that reach each part of a message: every choice, no place, one and many.
 * @param {MessageFormatElement[]} elements
 * @param {Details} given
 * @returns {Details[]}
 */
function examplesOf(elements, given) {
  /** @type {Details[]} */
  let examples = [given];
  for (const element of elements) examples = examples.flatMap((example) => extend(element, example));
  return examples;
}

/** @param {MessageFormatElement} element @param {Details} example @returns {Details[]} */
function extend(element, example) {
  if (element.type === TYPE.literal || element.type === TYPE.pound) return [example];
  const name = element.value;
  if (element.type === TYPE.select) {
    const choices = name in example ? [String(example[name])] : Object.keys(element.options);
    return choices.flatMap((choice) =>
      examplesOf(element.options[choice]?.value ?? [], { ...example, [name]: choice }),
    );
  }
  if (element.type === TYPE.plural) {
    const counts = name in example ? [example[name]] : '=0' in element.options ? [0, 1, 1234] : [1, 1234];
    return counts.flatMap((count) => {
      const option = element.options[`=${count}`] ?? ((count === 1 && element.options.one) || element.options.other);
      return examplesOf(option?.value ?? [], { ...example, [name]: count });
    });
  }
  return [{ ...example, [name]: example[name] ?? (element.type === TYPE.number ? 0.125 : 'x') }];
}

for (const prefix of /** @type {const} */ (['notice', 'fix', 'sample'])) {
  const keys = Object.keys(messages).filter((key) => key.startsWith(`${prefix}.`));

  test(`every German ${prefix} is a text with each of its details`, () => {
    assert.ok(keys.length);
    for (const key of keys) {
      const code = key.slice(prefix.length + 1);
      for (const details of examplesOf(parse(messages[key] ?? ''), {})) {
        const text = apiText(`${prefix}.${code}`, details) ?? '';
        const place = `${key} ${JSON.stringify(details)}: ${text}`;
        assert.match(text, prefix === 'notice' ? /^\S.*\.$/su : /^\S.*\S$/su, place);
        assert.ok(!/[{}]| {2}| \.(?!xlsx)|undefined|NaN/.test(text), place);
      }
    }
  });
}

const MISSING = {
  code: 'missing_products',
  count: 1234,
  message: 'English.',
  details: {
    action: 'delete',
    unreadable: 2,
    limit_check: 'exceeded',
    catalogue: 5000,
    limit: 0.125,
    needed_limit: 0.25,
  },
};

test('a notice is a German sentence with German numbers', () => {
  const text = noticeText(MISSING).replaceAll('\u00a0', ' ');
  assert.match(text, /^1\.234 Produkte stehen nicht in der Datei und werden vom Import gelöscht\. 2 abgelehnte Zeilen/);
  assert.match(
    text,
    /mehr als die Grenze von 12,5 % aller Produkte \(5\.000\):.* mindestens 25 % beträgt\. Prüfen Sie/,
  );
});

test('a notice without the details of its sentence stays as the server wrote it', () => {
  assert.equal(noticeText({ ...MISSING, details: {} }), 'English.');
  assert.equal(noticeText({ ...MISSING, code: 'from_the_future' }), 'English.');
  assert.match(noticeText({ code: 'long_numbers', count: 2, message: 'English.', details: {} }), /^2 Zahlen haben/);
});

test('encodings, columns and fields have their names', () => {
  const details = { extent: 'at_least', encoding: 'utf-8+cp1252', reason: 'rest_differs', rest: 'utf-8' };
  assert.match(
    noticeText({ code: 'encoding_uncertain', count: 2, message: '', details }),
    /^Mindestens 2 Zeilen wurden als UTF-8 und Windows-1252 .* gelesen, denn der Rest der Datei ist UTF-8\./,
  );
  const columns = { columns: ['Status', 'Aktiv?'], value: 'neu' };
  assert.match(
    noticeText({ code: 'column_left_out', count: 2, message: '', details: columns }),
    /^Die Spalten `Status`, `Aktiv\?` wurden weggelassen: .* `neu`/,
  );
  assert.equal(factText('field', 'name'), 'Feld: Name');
  assert.equal(factText('now_empty', 'name'), 'now empty: name');
});

test('a fix has German words if its code is known', () => {
  assert.equal(
    fixText({ code: 'use_header_line', label: 'English', details: { line: 1200 } }),
    'Zeile 1.200 als Kopfzeile verwenden',
  );
  assert.equal(fixText({ code: null, label: 'English', details: {} }), 'English');
});

test('a sample about two rows is a German sentence', () => {
  const sample = { text: 'English', sku: 'A-1', line: 2, kept_line: 1200, field: 'active' };
  const rows = { dropped: { active: true }, kept: { active: false } };
  assert.equal(
    sampleText('duplicates_differ', { ...sample, ...rows }),
    'A-1: Aktiv ist „Ja“ in Zeile 2 und „Nein“ in Zeile 1.200',
  );
  const names = { dropped: { name: 'x'.repeat(50) }, kept: {} };
  assert.match(
    sampleText('duplicates_differ', { ...sample, ...names, field: 'name' }) ?? '',
    /„x{39}…“ in Zeile 2 und „“/,
  );
  assert.equal(sampleText('duplicates_differ', sample), 'English');
  assert.equal(sampleText('short_rows', { text: 'A-1;Lamp' }), 'A-1;Lamp');
});
