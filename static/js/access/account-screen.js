// One's own account: #/account. Password, sessions and API keys.

import { getJson, messageOf, nextStep, sendJson } from '../core/api.js';
import { buildBanner } from '../core/banner.js';
import { askToConfirm } from '../core/confirm.js';
import { offer } from '../core/commands.js';
import { fill, h } from '../core/dom.js';
import { currentWho } from '../core/session.js';
import { toast } from '../core/toast.js';
import { timeElement } from '../core/widgets.js';
import { accessForm } from './access-form.js';
import { describeBrowser } from './browser-names.js';
import { loadingRows, section, tableCard } from './cards.js';
import { newPasswordField, passwordField } from './fields.js';
import { createKeysCard } from './keys-card.js';

/** @import { Screen } from '../core/router.js' */
/** @import { Session } from '../core/types.d.ts' */

/** @type {[text: string, className?: string][]} */
const HEADS = [['Browser'], ['Address', 'wide'], ['Signed in', 'medium'], ['Last used'], ['Actions']];

/** @type {Screen} */
export const accountScreen = {
  mount(root) {
    document.title = 'Account · Acme Product Importer';
    const { actor } = currentWho() ?? {};
    const sessions = sessionsCard();
    const keys = createKeysCard({ title: 'Your API keys', ownOnly: true });
    root.append(
      h(
        'div',
        { class: 'screen screen-narrow' },
        h(
          'div',
          { class: 'screen-head' },
          h('h1', { text: 'Account' }),
          h('span', { class: 'muted', dir: 'auto', text: `${actor?.name} · ${actor?.role}` }),
        ),
        h(
          'div',
          { class: 'stack' },
          passwordCard(() => sessions.load()),
          sessions.element,
          keys.element,
        ),
      ),
    );
    sessions.load();
    keys.load();
    return {};
  },
};

/** @param {() => void} onChanged the other sessions have ended */
function passwordCard(onChanged) {
  const current = passwordField('Current password', { testid: 'current-password', autocomplete: 'current-password' });
  const password = newPasswordField('New password', () => [currentWho()?.actor.name ?? '']);
  const form = accessForm({
    testid: 'change-password',
    ok: 'Change password',
    fields: { current_password: current, password },
    content: [current.element, password.element],
    async run() {
      if (!current.input.value) {
        current.showProblem('Type your current password.');
        current.input.focus();
        return;
      }
      if (!password.isGood()) return;
      await sendJson('PUT', '/api/account/password', {
        body: { current_password: current.input.value, password: password.input.value },
      });
      form.element.reset();
      password.input.dispatchEvent(new Event('input'));
      toast('Password changed');
      onChanged();
    },
  });
  return section(
    { title: 'Password', testid: 'password' },
    h('p', { class: 'muted access-section-text', text: 'A new password ends all your other sessions.' }),
    form.element,
  );
}

function sessionsCard() {
  const body = h('tbody');
  const table = tableCard('Your sessions', 'table-sessions', HEADS, body);
  const content = h('div', {}, loadingRows());
  const endOthers = h('button', {
    class: 'button button-small',
    type: 'button',
    text: 'End all others',
    hidden: true,
    data: { testid: 'end-other-sessions' },
    on: { click: endAllOthers },
  });
  offer(endOthers, { id: 'end-other-sessions', label: 'End all other sessions…', shape: 'leave', run: endAllOthers });
  const element = section({ title: 'Sessions', testid: 'sessions', action: endOthers }, content);

  async function load() {
    try {
      show(await getJson('/api/account/sessions'));
    } catch (error) {
      fill(
        content,
        buildBanner({ title: messageOf(error), detail: nextStep(error), action: { label: 'Try again', run: load } }),
      );
    }
  }
  async function endAllOthers() {
    const done = await askToConfirm({
      title: 'End all other sessions?',
      text: 'Every other browser in which you are signed in has to sign in again. This browser stays signed in.',
      ok: 'End them',
      run: () => sendJson('DELETE', '/api/account/sessions'),
    });
    if (done) await load();
  }
  /** @param {Session} session */
  async function end(session) {
    const done = await askToConfirm({
      title: 'End this session?',
      text: `${describeBrowser(session.user_agent)} at ${session.address} has to sign in again.`,
      ok: 'End session',
      run: () => sendJson('DELETE', `/api/account/sessions/${session.id}`),
    });
    if (done) await load();
  }
  /** @param {Session[]} sessions */
  function show(sessions) {
    endOthers.hidden = sessions.length < 2;
    fill(
      body,
      sessions.map((session) =>
        h(
          'tr',
          { data: { testid: 'session' } },
          h(
            'td',
            {},
            h('span', { class: 'cell-strong', text: describeBrowser(session.user_agent), title: session.user_agent }),
            session.current ? h('span', { class: 'pill pill-success', text: 'This browser' }) : null,
            h('span', { class: 'narrow-only muted', text: session.address }),
          ),
          h('td', { class: 'wide tabular', text: session.address }),
          h(
            'td',
            { class: 'medium' },
            timeElement(session.created_at),
            session.method === 'oidc' ? h('span', { class: 'muted', text: ' with the sign-in service' }) : null,
          ),
          h('td', {}, timeElement(session.seen_at)),
          h(
            'td',
            { class: 'cell-actions' },
            session.current
              ? null
              : h('button', {
                  class: 'button button-small',
                  type: 'button',
                  text: 'End',
                  'aria-label': `End the session of ${describeBrowser(session.user_agent)} at ${session.address}`,
                  data: { testid: 'end-session' },
                  on: { click: () => end(session) },
                }),
          ),
        ),
      ),
    );
    if (!table.isConnected) fill(content, table);
  }
  return { element, load };
}
