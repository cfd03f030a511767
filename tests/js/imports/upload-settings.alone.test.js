import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';

import {
  DEFAULT_OPTIONS,
  changedOptions,
  currentOptions,
  optionNames,
  resetMissing,
  setOptions,
  setSkipsCheck,
  skipsCheck,
  uploadFields,
} from '../../../static/js/imports/upload-settings.js';

/** @param {Partial<Storage>} storage */
function useStorage(storage) {
  Object.defineProperty(globalThis, 'localStorage', { configurable: true, value: storage });
}

/** @returns {Partial<Storage>} */
function createStorage() {
  /** @type {Map<string, string>} */
  const items = new Map();
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => {
      items.set(key, value);
    },
  };
}

/** @returns {never} */
const block = () => {
  throw new Error('The storage is blocked.');
};

afterEach(() => {
  Reflect.deleteProperty(globalThis, 'localStorage');
  setOptions(DEFAULT_OPTIONS);
  setSkipsCheck(false);
});

test('files are checked unless the browser remembers otherwise', () => {
  useStorage(createStorage());
  assert.equal(skipsCheck(), false);
  setSkipsCheck(true);
  assert.equal(skipsCheck(), true);
  useStorage(createStorage());
  assert.equal(skipsCheck(), false);
});

test('the choice lasts for the visit if the browser blocks the storage', () => {
  useStorage({ getItem: block, setItem: block });
  setSkipsCheck(true);
  assert.equal(skipsCheck(), true);
});

test('every option has a default and a place', () => {
  assert.deepEqual(optionNames().sort(), Object.keys(DEFAULT_OPTIONS).sort());
});

test('only changed options are uploaded with a file', () => {
  useStorage(createStorage());
  assert.deepEqual(uploadFields(), { preview: 'true', started_from: 'page' });
  setOptions({ mode: 'create', delimiter: ';' });
  assert.deepEqual(changedOptions(), ['mode', 'delimiter']);
  assert.deepEqual(uploadFields(), { mode: 'create', delimiter: ';', preview: 'true', started_from: 'page' });
  setSkipsCheck(true);
  setOptions({ mode: 'upsert' });
  assert.deepEqual(uploadFields(), { delimiter: ';', started_from: 'page' });
});

test('the limit of missing products is only uploaded if they are not kept', () => {
  useStorage(createStorage());
  setOptions({ missing_limit: '0.2' });
  assert.deepEqual(changedOptions(), []);
  setOptions({ missing: 'delete' });
  assert.deepEqual(uploadFields(), { missing: 'delete', missing_limit: '0.2', preview: 'true', started_from: 'page' });
});

test('products are only removed by the next file', () => {
  useStorage(createStorage());
  setOptions({ mode: 'update', missing: 'delete', missing_limit: '1' });
  resetMissing();
  assert.deepEqual(changedOptions(), ['mode']);
  assert.equal(currentOptions().missing_limit, '0.1');
});

test('the current options are a copy', () => {
  currentOptions().mode = 'update';
  assert.equal(currentOptions().mode, 'upsert');
});
