import assert from 'node:assert/strict';
import { test } from 'node:test';

import { diffWords } from '../../../static/js/core/word-diff.js';

/**
 * Return a diff as text: -[old], +[new], and unchanged text as it is.
 * @param {string} before
 * @param {string} after
 */
const diffText = (before, after) =>
  diffWords(before, after)
    .map(({ kind, text }) => (kind === 'same' ? text : `${kind === 'old' ? '-' : '+'}[${text}]`))
    .join('');

test('equal texts have one unchanged part', () => {
  assert.deepEqual(diffWords('Blue lamp', 'Blue lamp'), [{ kind: 'same', text: 'Blue lamp' }]);
  assert.deepEqual(diffWords('', ''), [{ kind: 'same', text: '' }]);
});

test('a changed word is marked between unchanged ones', () => {
  assert.equal(diffText('Table lamp blue', 'Table lamp green'), 'Table lamp -[blue]+[green]');
  assert.equal(
    diffText('Tischleuchte Blau, dimmbar', 'Tischleuchte Grün, dimmbar'),
    'Tischleuchte -[Blau]+[Grün], dimmbar',
  );
});

test('whitespace between changed words belongs to the change', () => {
  assert.equal(diffText('a big red lamp', 'a small old lamp'), 'a -[big red]+[small old] lamp');
});

test('the old text of a change comes before the new text', () => {
  assert.equal(diffText('one x', 'one, y z'), 'one-[ x]+[, y z]');
});

test('words can be inserted and removed', () => {
  assert.equal(diffText('desk lamp', 'desk lamp, dimmable'), 'desk lamp+[, dimmable]');
  assert.equal(diffText('old desk lamp', 'desk lamp'), '-[old ]desk lamp');
  assert.equal(diffText('', 'lamp'), '+[lamp]');
  assert.equal(diffText('lamp', ''), '-[lamp]');
});

test('long unchanged text is shortened to what is beside a change', () => {
  const filler = 'word '.repeat(40);
  const parts = diffWords(`${filler}old ${filler}`, `${filler}new ${filler}`);
  assert.deepEqual(
    parts.map(({ kind }) => kind),
    ['same', 'old', 'new', 'same'],
  );
  const [start, , , end] = parts;
  assert.equal(start?.text, `…${filler.slice(-40)}`);
  assert.equal(end?.text, ` ${filler.slice(0, 39)}…`);
});

test('very long texts are not compared', () => {
  const before = 'a '.repeat(400);
  const after = `${before}b`;
  assert.deepEqual(diffWords(before, after), [
    { kind: 'old', text: before },
    { kind: 'new', text: after },
  ]);
});

test('a diff contains both texts completely', () => {
  const words = ['lamp', 'Lampe', ' ', '  ', '-', 'ß', '1', ', '];
  let seed = 7;
  const random = (/** @type {number} */ limit) => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return seed % limit;
  };
  const randomText = () => Array.from({ length: random(12) }, () => words[random(words.length)]).join('');
  for (let round = 0; round < 500; round += 1) {
    const before = randomText();
    const after = randomText();
    const parts = diffWords(before, after);
    const textWithout = (/** @type {string} */ kind) =>
      parts
        .filter((part) => part.kind !== kind)
        .map((part) => part.text)
        .join('');
    assert.equal(textWithout('new'), before);
    assert.equal(textWithout('old'), after);
  }
});
