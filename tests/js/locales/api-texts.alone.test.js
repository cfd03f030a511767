// The German texts that replace sentences of the API, with all values that they distinguish.

import { TYPE, parse } from '@formatjs/icu-messageformat-parser';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

/** @import { MessageFormatElement } from '@formatjs/icu-messageformat-parser' */

const GERMAN = new URL('../../../static/locales/de.json', import.meta.url);
Object.defineProperty(globalThis, 'document', {
  value: { documentElement: { lang: 'de' }, querySelectorAll: () => [{ href: GERMAN.href }] },
});
Object.defineProperty(globalThis, 'navigator', { value: { languages: ['de-DE'] } });

const { apiText } = await import('../../../static/js/core/i18n.js');
/** @type {Record<string, string>} */
const messages = JSON.parse(readFileSync(GERMAN, 'utf8'));

const NUMBERS = [0, 1, 2, 1234];
const TEXT = 'A {x} <b>';
const SENTENCE = /^[„\p{Lu}\d].*[.:]$/su;

/**
 * Add the values with which the arguments of a message are tried.
 * @param {MessageFormatElement[]} elements
 * @param {Map<string, (string | number)[]>} values
 */
function collectValues(elements, values) {
  for (const element of elements) {
    if (element.type === TYPE.literal || element.type === TYPE.pound || element.type === TYPE.tag) continue;
    const { type, value: name } = element;
    if (type === TYPE.select) values.set(name, Object.keys(element.options));
    else if (type === TYPE.plural || type === TYPE.number) values.set(name, values.get(name) ?? NUMBERS);
    else if (!values.has(name)) values.set(name, [TEXT]);
    if (type === TYPE.select || type === TYPE.plural) {
      for (const option of Object.values(element.options)) collectValues(option.value, values);
    }
  }
}

/**
 * Return details with each value of each argument. Selections are combined; numbers change together and one by one.
 * @param {string} message
 */
function exampleDetails(message) {
  /** @type {Map<string, (string | number)[]>} */
  const values = new Map();
  collectValues(parse(message), values);
  /** @type {Record<string, string | number>[]} */
  let examples = [{}];
  for (const [name, tried] of values) {
    if (typeof tried[0] === 'number') continue;
    examples = examples.flatMap((example) => tried.map((value) => ({ ...example, [name]: value })));
  }
  const numbers = [...values].filter(([, tried]) => typeof tried[0] === 'number').map(([name]) => name);
  const rows = [
    ...NUMBERS.map((all) => numbers.map(() => all)),
    ...numbers.flatMap((_, changed) => NUMBERS.map((one) => numbers.map((__, index) => (index === changed ? one : 2)))),
  ];
  return examples.flatMap((example) =>
    rows.map((row) => ({ ...example, ...Object.fromEntries(numbers.map((name, index) => [name, row[index] ?? 0])) })),
  );
}

for (const prefix of ['log', 'reject']) {
  test(`the German texts of "${prefix}" are whole sentences with all values`, () => {
    const keys = Object.keys(messages).filter((key) => key.startsWith(`${prefix}.`));
    assert.ok(keys.length > 10);
    for (const key of keys) {
      for (const details of exampleDetails(messages[key] ?? '')) {
        const text = apiText(/** @type {`${'log' | 'reject'}.${string}`} */ (key), details);
        const shown = `${key} ${JSON.stringify(details)}: ${text}`;
        assert.ok(text !== null, shown);
        assert.match(text.replaceAll(TEXT, 'A'), SENTENCE, shown);
        assert.ok(!/[{}]| {2}| [.,;:]|undefined|NaN/.test(text.replaceAll(TEXT, 'A')), shown);
      }
    }
  });
}
