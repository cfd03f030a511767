// Sign in again in place when the session has ended. What was typed and chosen stays, and the calls that failed are
// repeated afterwards, unless somebody else signs in.

import { fetchWho } from '../core/api.js';
import { showDialog } from '../core/dialog.js';
import { fill, h } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { liveEvents } from '../core/live-events.js';
import {
  currentWho,
  isAskingToSignIn,
  keyOf,
  listenToOtherTabs,
  mayContinueAs,
  onSessionEnd,
  renewSession,
  sessionOfOtherTab,
  setWho,
  tellOtherTabs,
} from '../core/session.js';
import { fetchMethods, forgetEmail, providerLink, rememberedEmail, signInForm } from './sign-in-form.js';
import { signInAddress } from './sign-in-screen.js';

/** @import { Who } from '../core/types.d.ts' */

/** How long nobody may have typed before the dialog opens: it must not take keys that are meant for a field. */
const TYPING_PAUSE_MS = 700;

/** @type {((who: Who) => void) | null} */
let accept = null;
let typedAt = -Infinity;
let isChecking = false;

/** Ask in place whenever a call, a stream or another tab shows that the session has ended. */
export function installSessionDialog() {
  onSessionEnd(async () => {
    while (performance.now() - typedAt < TYPING_PAUSE_MS) await delay(TYPING_PAUSE_MS);
    // Another tab may have signed in meanwhile, or the call may have been sent before this one did.
    const latest = await fetchWho().catch(() => null);
    if (!latest || !mayContinueAs(currentWho(), latest)) return ask(latest);
    setWho(latest);
    return true;
  });
  document.addEventListener(
    'keydown',
    () => {
      typedAt = performance.now();
    },
    { capture: true },
  );
  listenToOtherTabs();
  sessionOfOtherTab.subscribe((key) => {
    if (accept || key !== keyOf(currentWho())) checkSession();
  });
  // A stream that the server refuses does not say why, and the browser does not open it again.
  liveEvents.statusChanged.subscribe(() => liveEvents.isFailing && checkSession());
  // The sign-in service opens in another tab.
  window.addEventListener('focus', () => accept && checkSession());
}

/** Find out who is signed in now, and act if it is nobody or somebody else. */
export async function checkSession() {
  if (isChecking || !currentWho()) return;
  isChecking = true;
  try {
    const latest = await fetchWho();
    if (latest && accept) accept(latest);
    else if (latest && mayContinueAs(currentWho(), latest)) setWho(latest);
    else if (!isAskingToSignIn()) renewSession();
  } catch {
    // The server does not answer. The connection banner says so, and the next call finds out.
  } finally {
    isChecking = false;
  }
}

/** @param {number} ms */
const delay = (ms) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/**
 * Open the dialog.
 * @param {Who | null} other somebody else who has signed in
 * @returns {Promise<boolean>} whether the person who used the page has signed in again
 */
function ask(other) {
  const before = currentWho();
  const name = before?.actor.type === 'user' ? before.actor.name : '';
  return new Promise((resolve) => {
    let isRenewed = false;
    const form = signInForm({ email: rememberedEmail(before), onSignedIn: (who) => accept?.(who) });
    const others = h('div', { class: 'sign-in-others', hidden: true });
    const intro = h('p', {
      text: name ? t('access.session.ended', { name }) : t('access.session.needed'),
    });
    const body = h('div', { class: 'session-dialog' }, intro, form.element, others);
    const showForm = () => {
      fill(body, intro, form.element, others);
      form.focus();
    };
    const dialog = showDialog({
      title: t('access.session.title'),
      content: [body],
      footer: h(
        'div',
        { class: 'dialog-actions' },
        h('button', {
          class: 'button button-quiet',
          type: 'button',
          text: t('access.session.leave'),
          data: { testid: 'session-leave' },
          on: { click: leave },
        }),
      ),
      testid: 'session-dialog',
      hasCross: false,
      mayClose: () => false,
      onClose() {
        accept = null;
        resolve(isRenewed);
      },
    });
    accept = (who) => {
      if (!mayContinueAs(before, who)) return showOther(who);
      isRenewed = true;
      setWho(who);
      tellOtherTabs();
      return dialog.close();
    };
    /** @param {Who} who somebody else */
    const showOther = (who) => {
      const reload = h('button', {
        class: 'button button-danger',
        type: 'button',
        text: t('access.session.go_on_as', { name: who.actor.name }),
        data: { testid: 'session-reload' },
        on: { click: () => window.location.reload() },
      });
      fill(
        body,
        h('p', {
          role: 'alert',
          data: { testid: 'session-other' },
          text: t('access.session.other', { other: who.actor.name, name }),
        }),
        h(
          'div',
          { class: 'access-actions' },
          reload,
          h('button', {
            class: 'button',
            type: 'button',
            text: t('access.session.sign_in_as', { name }),
            data: { testid: 'session-same' },
            on: { click: showForm },
          }),
        ),
      );
      tellOtherTabs();
      reload.focus();
    };
    fetchMethods().then(({ oidc, password }) => {
      if (!oidc) return;
      others.hidden = false;
      form.element.hidden = !password;
      fill(
        others,
        password ? h('p', { class: 'or', text: t('access.or') }) : null,
        providerLink(oidc.name, { target: '_blank', rel: 'opener' }),
        h('p', { class: 'field-hint', text: t('access.session.other_tab') }),
      );
    });
    form.focus();
    if (other) showOther(other);
  });
}

/** Go to the sign-in screen, without what was typed here. */
function leave() {
  forgetEmail();
  window.location.hash = signInAddress(window.location.hash);
  window.location.reload();
}
