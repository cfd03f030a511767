// A row of the table of people: name and role are changed in place, the rest with a menu.

import { ApiError, messageOf, sendJson } from '../core/api.js';
import { askToConfirm } from '../core/confirm.js';
import { fill, h, setText } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { menuButton, menuItem } from '../core/menu.js';
import { showMessage } from '../core/message-text.js';
import { currentWho } from '../core/session.js';
import { toast } from '../core/toast.js';
import { timeElement } from '../core/widgets.js';
import { showLink } from './invite-dialog.js';
import { roleSelect, roleWord } from './roles.js';

/** @import { Role } from '../core/session.js' */
/** @import { OneTimeLink, User } from '../core/types.d.ts' */

/** @type {Record<User['status'], string>} */
const STATUSES = {
  active: t('access.person.active'),
  invited: t('access.person.invited'),
  disabled: t('access.person.disabled'),
};
/** @type {Record<User['status'], string>} */
const PILLS = { active: 'pill-success', invited: 'pill-running', disabled: '' };

/**
 * Create a row.
 * @param {User} initial
 * @param {{onGone: () => void}} options `onGone` is called after the person was removed
 * @returns {{element: HTMLTableRowElement}}
 */
export function personRow(initial, { onGone }) {
  let user = initial;
  const isMe = currentWho()?.actor.type === 'user' && currentWho()?.actor.id === initial.id;
  const address = `/api/users/${initial.id}`;
  const problem = h('p', { class: 'field-error', role: 'alert', data: { testid: 'person-problem' } });
  const nameButton = h('button', {
    class: 'link-button cell-strong',
    type: 'button',
    dir: 'auto',
    title: t('access.person.change_name'),
    data: { testid: 'person-name' },
    on: { click: editName },
  });
  const namePlace = h('div', { class: 'person-name' });
  const role = roleSelect(initial.role, {
    class: 'input role-select',
    data: { testid: 'person-role' },
    on: { change: changeRole },
  });
  const pill = h('span', { class: 'pill', data: { testid: 'person-status' } });
  const pillBelow = h('span', { class: 'narrow-only' });
  const seen = h('td', { class: 'wide' });
  const able = menuItem({ run: changeDisabled, testid: 'person-disable' }, icon('slash'), h('span', {}));
  const link = menuItem({ run: createLink, testid: 'person-link' }, icon('key'), h('span', {}));
  const items = [
    menuItem({ run: editName, testid: 'person-rename' }, icon('edit'), t('access.person.change_name')),
    link,
    able,
    menuItem({ run: remove, testid: 'person-remove', danger: true }, icon('trash'), t('access.person.remove_menu')),
  ];
  const menu = menuButton({
    face: [icon('more', 'icon-bold')],
    label: t('access.person.actions', { name: initial.name }),
    look: 'button-quiet button-square',
    testid: 'person-menu',
    items,
  });
  const element = h(
    'tr',
    { data: { testid: 'person' } },
    h('td', {}, namePlace, h('span', { class: 'cell-below muted', text: initial.email }), pillBelow, problem),
    h('td', {}, role),
    h('td', { class: 'medium' }, pill),
    seen,
    h('td', { class: 'cell-actions' }, menu),
  );

  /** @param {User} latest */
  function show(latest) {
    user = latest;
    fill(namePlace, nameButton, isMe ? h('span', { class: 'muted', text: ` (${t('access.person.you')})` }) : null);
    setText(nameButton, latest.name);
    role.value = latest.role;
    role.setAttribute('aria-label', t('access.person.role_of', { name: latest.name }));
    setText(pill, STATUSES[latest.status]);
    pill.className = `pill ${PILLS[latest.status]}`.trim();
    fill(pillBelow, latest.status === 'active' ? null : STATUSES[latest.status]);
    fill(
      seen,
      latest.last_signed_in_at
        ? timeElement(latest.last_signed_in_at)
        : h('span', { class: 'muted', text: t('access.never') }),
    );
    setText(
      able.lastElementChild ?? able,
      latest.status === 'disabled' ? t('access.person.enable') : t('access.person.disable'),
    );
    setText(
      link.lastElementChild ?? link,
      latest.status === 'invited' ? t('access.person.new_invitation') : t('access.person.password_link'),
    );
    link.hidden = latest.status === 'disabled';
    element.classList.toggle('is-off', latest.status === 'disabled');
    menu.querySelector('button')?.setAttribute('aria-label', t('access.person.actions', { name: latest.name }));
  }

  /**
   * Save a change, and show its error in the row.
   * @param {Record<string, unknown>} change
   * @returns {Promise<boolean>} whether it was saved
   */
  async function save(change) {
    showMessage(problem, '');
    try {
      show(await sendJson('PUT', address, { body: change }));
      return true;
    } catch (error) {
      const fields = error instanceof ApiError ? Object.values(error.fields).flat().join(' ') : '';
      showMessage(problem, fields || messageOf(error));
      return false;
    }
  }

  async function changeRole() {
    const wanted = /** @type {Role} */ (role.value);
    const confirmed =
      !isMe ||
      (await askToConfirm({
        title: t('access.person.become', { role: roleWord(wanted) }),
        text: t('access.person.become_text'),
        ok: t('access.person.become_ok'),
        run: () => Promise.resolve(true),
      }));
    if (!confirmed || !(await save({ role: wanted }))) role.value = user.role;
    else toast(t('access.person.role_now', { name: user.name, role: roleWord(user.role) }));
  }

  async function changeDisabled() {
    const disabled = user.status !== 'disabled';
    if (await save({ disabled })) toast(t('access.person.disabled_now', { name: user.name, disabled }));
  }

  async function createLink() {
    showMessage(problem, '');
    try {
      /** @type {OneTimeLink} */
      const created = await sendJson('POST', `${address}/reset`);
      showLink(created, user);
    } catch (error) {
      showMessage(problem, messageOf(error));
    }
  }

  async function remove() {
    const done = await askToConfirm({
      title: t('access.person.remove_title', { name: user.name }),
      text: t('access.person.remove_text', { name: user.name }),
      ok: t('access.person.remove_ok'),
      run: () => sendJson('DELETE', address),
    });
    if (!done) return;
    toast(t('access.person.removed', { name: user.name }));
    onGone();
  }

  function editName() {
    let isDone = false;
    const input = h('input', {
      class: 'input',
      value: user.name,
      'aria-label': t('access.person.name_of', { name: user.name }),
      data: { testid: 'person-name-input' },
      on: {
        keydown: (event) => {
          if (event.key === 'Enter') end(true);
          if (event.key === 'Escape') end(false);
        },
        blur: () => end(true),
      },
    });
    /** @param {boolean} isWanted */
    async function end(isWanted) {
      if (isDone) return;
      isDone = true;
      const name = input.value.trim();
      if (isWanted && name !== user.name && !(await save({ name }))) {
        // The text stays, so that it can be corrected.
        isDone = false;
        if (input.isConnected) input.focus();
        return;
      }
      if (!isWanted) showMessage(problem, '');
      show(user);
      nameButton.focus();
    }
    fill(namePlace, input);
    input.select();
  }

  show(initial);
  return { element };
}
