// The list of API keys, on the screen of all keys and on the account screen.

import { getJson, messageOf, nextStep, sendJson } from '../core/api.js';
import { buildBanner } from '../core/banner.js';
import { askToConfirm } from '../core/confirm.js';
import { offer } from '../core/commands.js';
import { fill, h } from '../core/dom.js';
import { formatTime, parseTime } from '../core/format.js';
import { icon } from '../core/icons.js';
import { currentWho } from '../core/session.js';
import { toast } from '../core/toast.js';
import { emptyState, timeElement } from '../core/widgets.js';
import { loadingRows, section, tableCard } from './cards.js';
import { openNewKey } from './key-dialog.js';
import { daysLeft } from './key-times.js';

/** @import { ApiKey } from '../core/types.d.ts' */

/** @type {[text: string, className?: string][]} */
const HEADS = [['Name'], ['Key', 'wide'], ['May', 'medium'], ['Last used', 'medium'], ['Expires'], ['Actions']];

/**
 * Create the list.
 * @param {{title: string, ownOnly: boolean}} options
 */
export function createKeysCard({ title, ownOnly }) {
  const body = h('tbody');
  const table = tableCard('API keys', 'table-keys', HEADS, body);
  const content = h('div', {}, loadingRows());
  const create = h(
    'button',
    {
      class: 'button button-primary button-small',
      type: 'button',
      data: { testid: 'new-key' },
      on: { click: () => openNewKey(load) },
    },
    icon('plus'),
    'New key',
  );
  offer(create, { id: 'new-key', label: 'New API key', shape: 'key', run: () => openNewKey(load) });
  const element = section({ title, testid: 'keys', action: create }, content);

  async function load() {
    try {
      /** @type {ApiKey[]} */
      const keys = await getJson('/api/keys');
      const own = currentWho()?.actor.name;
      show(ownOnly ? keys.filter((key) => key.created_by === own) : keys);
    } catch (error) {
      fill(
        content,
        buildBanner({ title: messageOf(error), detail: nextStep(error), action: { label: 'Try again', run: load } }),
      );
    }
  }
  /** @param {ApiKey} key */
  async function revoke(key) {
    const done = await askToConfirm({
      title: `Revoke the key “${key.name}”?`,
      text: 'Whatever uses it stops working at once. This cannot be undone.',
      ok: 'Revoke key',
      run: () => sendJson('DELETE', `/api/keys/${key.id}`),
    });
    if (!done) return;
    toast('Key revoked');
    await load();
  }
  /** @param {ApiKey[]} keys */
  function show(keys) {
    if (!keys.length) {
      fill(
        content,
        emptyState({
          shape: 'key',
          title: 'No API keys yet',
          detail: 'With a key, a script uses the API without a password. It may do only what you choose.',
        }),
      );
      return;
    }
    fill(
      body,
      keys.map((key) => keyRow(key, { isOwnerShown: !ownOnly, onRevoke: revoke })),
    );
    if (!table.isConnected) fill(content, table);
  }
  return { element, load };
}

/**
 * @param {ApiKey} key
 * @param {{isOwnerShown: boolean, onRevoke: (key: ApiKey) => void}} options
 */
function keyRow(key, { isOwnerShown, onRevoke }) {
  const text = `${key.prefix}…${key.last_four}`;
  return h(
    'tr',
    { data: { testid: 'key' }, class: key.revoked_at ? 'is-off' : '' },
    h(
      'td',
      {},
      h('span', { class: 'cell-strong', dir: 'auto', text: key.name }),
      isOwnerShown ? h('span', { class: 'cell-below muted', dir: 'auto', text: key.created_by }) : null,
      h('span', { class: 'narrow-only muted mono', text }),
    ),
    h('td', { class: 'wide mono', text }),
    h('td', { class: 'medium cell-scopes', text: key.scopes.join(', ') }),
    h(
      'td',
      { class: 'medium' },
      key.last_used_at ? timeElement(key.last_used_at) : h('span', { class: 'muted', text: 'Never' }),
    ),
    h('td', {}, stateOf(key)),
    h(
      'td',
      { class: 'cell-actions' },
      key.revoked_at
        ? null
        : h('button', {
            class: 'button button-small button-danger-quiet',
            type: 'button',
            text: 'Revoke',
            'aria-label': `Revoke the key ${key.name}`,
            data: { testid: 'revoke-key' },
            on: { click: () => onRevoke(key) },
          }),
    ),
  );
}

/** @param {ApiKey} key */
function stateOf(key) {
  if (key.revoked_at) {
    const by = key.revoked_by ? ` by ${key.revoked_by}` : '';
    return h('span', { class: 'pill', title: `${formatTime(key.revoked_at)}${by}`, text: 'Revoked' });
  }
  if (!key.expires_at) return h('span', { class: 'muted', text: 'Never' });
  if (parseTime(key.expires_at) <= Date.now()) {
    return h('span', { class: 'pill pill-warning', title: formatTime(key.expires_at), text: 'Expired' });
  }
  return h('time', { datetime: key.expires_at, title: formatTime(key.expires_at), text: daysLeft(key.expires_at) });
}
