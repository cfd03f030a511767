// The list of API keys, on the screen of all keys and on the account screen.

import { getJson, messageOf, nextStep, sendJson } from '../core/api.js';
import { buildBanner } from '../core/banner.js';
import { askToConfirm } from '../core/confirm.js';
import { offer } from '../core/commands.js';
import { fill, h } from '../core/dom.js';
import { formatList, formatTime, parseTime } from '../core/format.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { currentWho } from '../core/session.js';
import { toast } from '../core/toast.js';
import { emptyState, timeElement } from '../core/widgets.js';
import { loadingRows, section, tableCard } from './cards.js';
import { openNewKey } from './key-dialog.js';
import { daysLeft } from './key-times.js';

/** @import { ApiKey } from '../core/types.d.ts' */

/** @type {[text: string, className?: string][]} */
const HEADS = [
  [t('access.name')],
  [t('access.key.label'), 'wide'],
  [t('access.key.may_head'), 'medium'],
  [t('access.last_used'), 'medium'],
  [t('access.key.expires')],
  [t('common.actions')],
];

/**
 * Create the list.
 * @param {{title: string, ownOnly: boolean}} options
 */
export function createKeysCard({ title, ownOnly }) {
  const body = h('tbody');
  const table = tableCard(t('access.api_keys'), 'table-keys', HEADS, body);
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
    t('access.key.new'),
  );
  offer(create, { id: 'new-key', label: t('access.key.new_command'), shape: 'key', run: () => openNewKey(load) });
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
        buildBanner({
          title: messageOf(error),
          detail: nextStep(error),
          action: { label: t('common.try_again'), run: load },
        }),
      );
    }
  }
  /** @param {ApiKey} key */
  async function revoke(key) {
    const done = await askToConfirm({
      title: t('access.key.revoke_title', { name: key.name }),
      text: t('access.key.revoke_text'),
      ok: t('access.key.revoke_ok'),
      run: () => sendJson('DELETE', `/api/keys/${key.id}`),
    });
    if (!done) return;
    toast(t('access.key.revoke_done'));
    await load();
  }
  /** @param {ApiKey[]} keys */
  function show(keys) {
    if (!keys.length) {
      fill(
        content,
        emptyState({
          shape: 'key',
          title: t('access.key.none'),
          detail: t('access.key.none_hint'),
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
    h('td', { class: 'medium cell-scopes', text: formatList(key.scopes) }),
    h(
      'td',
      { class: 'medium' },
      key.last_used_at ? timeElement(key.last_used_at) : h('span', { class: 'muted', text: t('access.never') }),
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
            text: t('access.key.revoke'),
            'aria-label': t('access.key.revoke_label', { name: key.name }),
            data: { testid: 'revoke-key' },
            on: { click: () => onRevoke(key) },
          }),
    ),
  );
}

/** @param {ApiKey} key */
function stateOf(key) {
  if (key.revoked_at) {
    const time = formatTime(key.revoked_at);
    const title = key.revoked_by ? t('access.key.revoked_by', { time, name: key.revoked_by }) : time;
    return h('span', { class: 'pill', title, text: t('access.key.revoked') });
  }
  if (!key.expires_at) return h('span', { class: 'muted', text: t('access.never') });
  if (parseTime(key.expires_at) <= Date.now()) {
    return h('span', { class: 'pill pill-warning', title: formatTime(key.expires_at), text: t('access.key.expired') });
  }
  return h('time', { datetime: key.expires_at, title: formatTime(key.expires_at), text: daysLeft(key.expires_at) });
}
