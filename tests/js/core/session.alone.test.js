import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  currentRole,
  keyOf,
  may,
  mayContinueAs,
  onSessionEnd,
  renewSession,
  sessionRenewed,
  setWho,
} from '../../../static/js/core/session.js';

/** @import { Who } from '../../../static/js/core/types.d.ts' */

/** @type {Who} */
const EDITOR = {
  actor: { type: 'user', id: 2, name: 'Ada', role: 'editor' },
  scopes: ['imports:read', 'imports:write', 'products:read', 'products:write'],
};
/** @type {Who} */
const LOCAL = { actor: { type: 'local', id: null, name: 'local', role: 'admin' }, scopes: ['admin'] };
const OTHER = { ...EDITOR, actor: { ...EDITOR.actor, id: 3 } };

test('before anybody is signed in, nothing is allowed and nobody is asked', async () => {
  assert.equal(may('products:read'), false);
  assert.equal(may('person'), false);
  onSessionEnd(() => Promise.reject(new Error('Nobody was signed in.')));
  assert.equal(await renewSession(), false);
});

test('the scopes decide what is allowed, and only people have an account', () => {
  setWho(LOCAL);
  assert.equal(may('admin'), true);
  assert.equal(may('person'), false);
  setWho(EDITOR);
  assert.equal(may('products:write'), true);
  assert.equal(may('webhooks'), false);
  assert.equal(may('person'), true);
  assert.equal(currentRole(), 'editor');
});

test('work goes on as the same person, or as the first one after local', () => {
  assert.equal(mayContinueAs(EDITOR, { ...EDITOR, scopes: [] }), true);
  assert.equal(mayContinueAs(EDITOR, OTHER), false);
  assert.equal(mayContinueAs(LOCAL, EDITOR), true);
  assert.equal(mayContinueAs(EDITOR, LOCAL), false);
  assert.equal(keyOf(null), '');
});

test('several calls ask once, and a later one asks again', async () => {
  setWho(EDITOR);
  let asked = 0;
  let renewed = 0;
  const stop = sessionRenewed.subscribe(() => {
    renewed += 1;
  });
  onSessionEnd(async () => {
    asked += 1;
    await Promise.resolve();
    return asked === 1;
  });
  assert.deepEqual(await Promise.all([renewSession(), renewSession()]), [true, true]);
  assert.equal(asked, 1);
  assert.equal(await renewSession(), false);
  assert.equal(asked, 2);
  await Promise.resolve();
  assert.equal(renewed, 1);
  stop();
});
