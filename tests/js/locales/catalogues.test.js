// The catalogues of texts in static/locales: every text is used, valid, and there in every language.

import { parse as parseModule } from 'espree';
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

import { argumentTypes } from '../../../tools/message-arguments.js';

const STATIC = new URL('../../../static/', import.meta.url);
/** Texts that only api/pages.py uses. */
const SERVER_KEYS = ['page.language_name'];
/** A text in the HTML, which the server puts there. */
const PLACEHOLDER = /\{([a-z]\w*\.[\w.]+)\}/g;

/** @param {string} path below static/ @returns {string} */
const read = (path) => readFileSync(new URL(path, STATIC), 'utf8');

/** @param {string} language @returns {Record<string, string>} */
const catalogue = (language) => JSON.parse(read(`locales/${language}.json`));

const LANGUAGES = readdirSync(new URL('locales/', STATIC)).map((name) => name.replace('.json', ''));
const english = catalogue('en');
const TRANSLATIONS = LANGUAGES.filter((language) => language !== 'en');

/** Return the texts of all literals and templates of the page's modules; a template is a pattern. */
function usedKeys() {
  /** @type {Set<string>} */
  const literals = new Set();
  /** @type {Set<string>} */
  const patterns = new Set();
  /** @param {any} node */
  const visit = (node) => {
    if (Array.isArray(node)) node.forEach(visit);
    if (!node || typeof node.type !== 'string') return;
    if (node.type === 'Literal' && typeof node.value === 'string') literals.add(node.value);
    if (node.type === 'TemplateLiteral') patterns.add(patternOf(node));
    Object.values(node).forEach((value) => value && typeof value === 'object' && visit(value));
  };
  const modules = readdirSync(new URL('js/', STATIC), { recursive: true }).filter((name) => name.endsWith('.js'));
  for (const name of modules) visit(parseModule(read(`js/${name}`), { ecmaVersion: 'latest', sourceType: 'module' }));
  const pages = ['index.html', 'docs.html'].flatMap((name) => [...read(name).matchAll(PLACEHOLDER)]);
  for (const [, key = ''] of pages) literals.add(key);
  for (const key of SERVER_KEYS) literals.add(key);
  const pattern = new RegExp(`^(?:${[...patterns].filter((text) => /^[a-z]\w*\\\./.test(text)).join('|') || 'x^'})$`);
  return { literals, pattern };
}

/** @param {any} template */
const patternOf = (template) =>
  template.quasis.map((/** @type {any} */ { value }) => value.cooked.replace(/[^\w]/g, '\\$&')).join('[\\w.]+');

test('every text is used', () => {
  const { literals, pattern } = usedKeys();
  assert.deepEqual(
    Object.keys(english).filter((key) => !literals.has(key) && !pattern.test(key)),
    [],
  );
});

test('the pages have no placeholder without a text', () => {
  const placeholders = ['index.html', 'docs.html'].flatMap((name) => [...read(name).matchAll(PLACEHOLDER)]);
  for (const [, key = ''] of placeholders) assert.ok(english[key], key);
});

for (const language of LANGUAGES) {
  const messages = catalogue(language);

  test(`the texts in "${language}" are sorted and valid`, () => {
    assert.deepEqual(Object.keys(messages), Object.keys(messages).toSorted());
    for (const [key, message] of Object.entries(messages)) {
      assert.match(key, /^[a-z]\w*(\.\w+)+$/);
      assert.match(message, /^\S(.*\S)?$/su, key);
      // A text without arguments is shown as it stands.
      if (!Object.keys(argumentTypes(message)).length) assert.ok(!/[{}<>]|''/.test(message), key);
    }
  });
}

for (const language of TRANSLATIONS) {
  const messages = catalogue(language);

  test(`"${language}" has every text, with the arguments of the English one`, () => {
    assert.deepEqual(Object.keys(messages), Object.keys(english));
    for (const [key, message] of Object.entries(messages)) {
      assert.deepEqual(argumentTypes(message), argumentTypes(english[key] ?? ''), key);
    }
  });
}
