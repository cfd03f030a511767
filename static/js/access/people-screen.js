// People: #/people. Administrators invite, change, disable and remove them.

import { getJson, messageOf, nextStep } from '../core/api.js';
import { buildBanner } from '../core/banner.js';
import { offer } from '../core/commands.js';
import { fill, h, setText } from '../core/dom.js';
import { icon } from '../core/icons.js';
import { isLocal } from '../core/session.js';
import { emptyState } from '../core/widgets.js';
import { loadingRows, tableCard } from './cards.js';
import { openInvitation } from './invite-dialog.js';
import { personRow } from './person-row.js';

/** @import { Screen } from '../core/router.js' */
/** @import { User } from '../core/types.d.ts' */

/** @type {[text: string, className?: string][]} */
const HEADS = [['Name'], ['Role'], ['Status', 'medium'], ['Last signed in', 'wide'], ['Actions']];

/** @type {Screen} */
export const peopleScreen = {
  mount(root) {
    document.title = 'People · Acme Product Importer';
    const count = h('span', { class: 'muted tabular', data: { testid: 'people-count' } });
    const body = h('tbody');
    const table = tableCard('Table of people', 'table-people', HEADS, body);
    const card = h('div', { class: 'card table-card', data: { testid: 'people' } }, loadingRows());
    // Nobody can be invited before there is an administrator who signs in.
    const invite = isLocal()
      ? h('a', { class: 'button button-primary', href: '#/setup', text: 'Set up accounts' })
      : offer(
          h(
            'button',
            {
              class: 'button button-primary',
              type: 'button',
              data: { testid: 'invite' },
              on: { click: () => openInvitation(load) },
            },
            icon('plus'),
            'Invite',
          ),
          { id: 'invite', label: 'Invite a person', shape: 'plus', run: () => openInvitation(load) },
        );
    root.append(
      h(
        'div',
        { class: 'screen' },
        h(
          'div',
          { class: 'screen-head access-head' },
          h('h1', { text: 'People' }),
          count,
          h('span', { class: 'spacer' }),
          invite,
        ),
        card,
        rolesHelp(),
      ),
    );

    async function load() {
      try {
        show(await getJson('/api/users'));
      } catch (error) {
        fill(
          card,
          buildBanner({ title: messageOf(error), detail: nextStep(error), action: { label: 'Try again', run: load } }),
        );
      }
    }
    /** @param {User[]} users */
    function show(users) {
      setText(count, users.length ? String(users.length) : '');
      if (!users.length) {
        fill(
          card,
          emptyState({
            shape: 'people',
            title: 'Nobody has an account yet',
            detail: 'So far everyone on this machine may do everything.',
          }),
        );
        return;
      }
      fill(
        body,
        users.map((user) => personRow(user, { onGone: load }).element),
      );
      if (!table.isConnected) fill(card, table);
    }
    load();
    return {};
  },
};

function rolesHelp() {
  return h(
    'dl',
    { class: 'roles-help muted' },
    h('dt', { text: 'Viewer' }),
    h('dd', { text: 'sees products and imports.' }),
    h('dt', { text: 'Editor' }),
    h('dd', { text: 'also imports, undoes and edits, but cannot delete everything.' }),
    h('dt', { text: 'Admin' }),
    h('dd', { text: 'also manages webhooks, people, keys and settings.' }),
  );
}
