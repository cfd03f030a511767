// One's own account: #/account. Password, sessions and API keys.

import { getJson, messageOf, nextStep, sendJson } from '../core/api.js';
import { buildBanner } from '../core/banner.js';
import { askToConfirm } from '../core/confirm.js';
import { offer } from '../core/commands.js';
import { fill, h } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { currentWho } from '../core/session.js';
import { toast } from '../core/toast.js';
import { timeElement } from '../core/widgets.js';
import { accessForm } from './access-form.js';
import { describeBrowser } from './browser-names.js';
import { loadingRows, section, tableCard } from './cards.js';
import { newPasswordField, passwordField } from './fields.js';
import { createKeysCard } from './keys-card.js';
import { roleWord } from './roles.js';

/** @import { Screen } from '../core/router.js' */
/** @import { Session } from '../core/types.d.ts' */

/** @type {[text: string, className?: string][]} */
const HEADS = [
  [t('access.browser')],
  [t('access.address'), 'wide'],
  [t('access.signed_in'), 'medium'],
  [t('access.last_used')],
  [t('common.actions')],
];

/** @type {Screen} */
export const accountScreen = {
  mount(root) {
    document.title = t('common.page_title', { name: t('access.account') });
    const { actor } = currentWho() ?? {};
    const sessions = sessionsCard();
    const keys = createKeysCard({ title: t('access.your_api_keys'), ownOnly: true });
    root.append(
      h(
        'div',
        { class: 'screen screen-narrow' },
        h(
          'div',
          { class: 'screen-head' },
          h('h1', { text: t('access.account') }),
          h('span', { class: 'muted', dir: 'auto', text: `${actor?.name} · ${roleWord(actor?.role)}` }),
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
  const current = passwordField(t('access.password.current'), {
    testid: 'current-password',
    autocomplete: 'current-password',
  });
  const password = newPasswordField(t('access.password.new'), () => [currentWho()?.actor.name ?? '']);
  const form = accessForm({
    testid: 'change-password',
    ok: t('access.password.change'),
    fields: { current_password: current, password },
    content: [current.element, password.element],
    async run() {
      if (!current.input.value) {
        current.showProblem(t('access.password.type_current'));
        current.input.focus();
        return;
      }
      if (!password.isGood()) return;
      await sendJson('PUT', '/api/account/password', {
        body: { current_password: current.input.value, password: password.input.value },
      });
      form.element.reset();
      password.input.dispatchEvent(new Event('input'));
      toast(t('access.password.changed'));
      onChanged();
    },
  });
  return section(
    { title: t('access.password.label'), testid: 'password' },
    h('p', { class: 'muted access-section-text', text: t('access.password.ends_sessions') }),
    form.element,
  );
}

function sessionsCard() {
  const body = h('tbody');
  const table = tableCard(t('access.sessions.yours'), 'table-sessions', HEADS, body);
  const content = h('div', {}, loadingRows());
  const endOthers = h('button', {
    class: 'button button-small',
    type: 'button',
    text: t('access.sessions.end_others'),
    hidden: true,
    data: { testid: 'end-other-sessions' },
    on: { click: endAllOthers },
  });
  offer(endOthers, {
    id: 'end-other-sessions',
    label: t('access.sessions.end_others_command'),
    shape: 'leave',
    run: endAllOthers,
  });
  const element = section({ title: t('access.sessions.title'), testid: 'sessions', action: endOthers }, content);

  async function load() {
    try {
      show(await getJson('/api/account/sessions'));
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
  async function endAllOthers() {
    const done = await askToConfirm({
      title: t('access.sessions.end_others_title'),
      text: t('access.sessions.end_others_text'),
      ok: t('access.sessions.end_others_ok'),
      run: () => sendJson('DELETE', '/api/account/sessions'),
    });
    if (done) await load();
  }
  /** @param {Session} session */
  async function end(session) {
    const done = await askToConfirm({
      title: t('access.sessions.end_title'),
      text: t('access.sessions.end_text', {
        browser: describeBrowser(session.user_agent),
        address: session.address ?? '',
      }),
      ok: t('access.sessions.end_ok'),
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
            session.current ? h('span', { class: 'pill pill-success', text: t('access.sessions.this_browser') }) : null,
            h('span', { class: 'narrow-only muted', text: session.address }),
          ),
          h('td', { class: 'wide tabular', text: session.address }),
          h(
            'td',
            { class: 'medium' },
            timeElement(session.created_at),
            session.method === 'oidc'
              ? h('span', { class: 'muted', text: ` ${t('access.sessions.with_service')}` })
              : null,
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
                  text: t('access.sessions.end'),
                  'aria-label': t('access.sessions.end_label', {
                    browser: describeBrowser(session.user_agent),
                    address: session.address ?? '',
                  }),
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
