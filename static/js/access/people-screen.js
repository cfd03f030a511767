// People: #/people. Administrators invite, change, disable and remove them.

import { getJson, messageOf, nextStep } from '../core/api.js';
import { buildBanner } from '../core/banner.js';
import { offer } from '../core/commands.js';
import { fill, h, setText } from '../core/dom.js';
import { formatNumber } from '../core/format.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { isLocal } from '../core/session.js';
import { emptyState } from '../core/widgets.js';
import { loadingRows, tableCard } from './cards.js';
import { openInvitation } from './invite-dialog.js';
import { personRow } from './person-row.js';

/** @import { Screen } from '../core/router.js' */
/** @import { User } from '../core/types.d.ts' */

/** @type {[text: string, className?: string][]} */
const HEADS = [
  [t('access.name')],
  [t('access.role_label')],
  [t('access.status'), 'medium'],
  [t('access.last_signed_in'), 'wide'],
  [t('common.actions')],
];

/** @type {Screen} */
export const peopleScreen = {
  mount(root) {
    document.title = t('common.page_title', { name: t('access.people') });
    const count = h('span', { class: 'muted tabular', data: { testid: 'people-count' } });
    const body = h('tbody');
    const table = tableCard(t('access.people_list.table'), 'table-people', HEADS, body);
    const card = h('div', { class: 'card table-card', data: { testid: 'people' } }, loadingRows());
    // Nobody can be invited before there is an administrator who signs in.
    const invite = isLocal()
      ? h('a', { class: 'button button-primary', href: '#/setup', text: t('access.set_up') })
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
            t('access.invite.ok'),
          ),
          { id: 'invite', label: t('access.invite.command'), shape: 'plus', run: () => openInvitation(load) },
        );
    root.append(
      h(
        'div',
        { class: 'screen' },
        h(
          'div',
          { class: 'screen-head access-head' },
          h('h1', { text: t('access.people') }),
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
          buildBanner({
            title: messageOf(error),
            detail: nextStep(error),
            action: { label: t('common.try_again'), run: load },
          }),
        );
      }
    }
    /** @param {User[]} users */
    function show(users) {
      setText(count, users.length ? formatNumber(users.length) : '');
      if (!users.length) {
        fill(
          card,
          emptyState({
            shape: 'people',
            title: t('access.people_list.none'),
            detail: t('access.people_list.none_hint'),
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
    h('dt', { text: t('access.role.viewer') }),
    h('dd', { text: t('access.role_help.viewer') }),
    h('dt', { text: t('access.role.editor') }),
    h('dd', { text: t('access.role_help.editor') }),
    h('dt', { text: t('access.role.admin') }),
    h('dd', { text: t('access.role_help.admin') }),
  );
}
