import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  auditParameters,
  describeAction,
  describeTarget,
  targetFilter,
} from '../../../static/js/access/activity-text.js';

test('actions are named, also those that the page does not know', () => {
  assert.equal(describeAction('session.created', 'success'), 'Signed in');
  assert.equal(describeAction('session.created', 'failed'), 'Sign-in failed');
  assert.equal(describeAction('user.created', 'success', { role: [null, 'editor'] }), 'Person added');
  assert.equal(describeAction('user.created', 'success', { link: [null, 'setup'] }), 'First administrator created');
  assert.equal(
    describeAction('user.password_changed', 'success', { link: [null, 'invitation'] }),
    'Invitation accepted',
  );
  assert.equal(describeAction('user.password_changed', 'success', { link: [null, 'reset'] }), 'Password changed');
  assert.equal(describeAction('storage.moved_away', 'success'), 'Storage moved away');
});

test('objects have a name and a filter', () => {
  assert.equal(describeTarget(null), '');
  assert.equal(describeTarget({ type: 'user', id: '3', name: 'Ada' }), 'Ada');
  assert.equal(describeTarget({ type: 'user', id: '3', name: null }), 'person 3');
  assert.equal(targetFilter({ type: 'product', id: '12' }), 'product:12');
  assert.equal(targetFilter({ type: 'products', id: null }), 'products');
});

test('days of the address become the start of the first and the end of the last local day', () => {
  const query = new URLSearchParams({ since: '2026-11-28', until: '2026-11-28', actor: 'user:2', page: '3' });
  assert.deepEqual(auditParameters(query), {
    actor: 'user:2',
    since: new Date(2026, 10, 28).toISOString(),
    until: new Date(2026, 10, 29).toISOString(),
  });
  assert.deepEqual(auditParameters(new URLSearchParams({ since: 'yesterday', target: ' ' })), {});
});
