// The account menu in the header, or, while nobody has an account, the way to set accounts up.

import { messageOf, nextStep, sendJson } from '../core/api.js';
import { showBanner } from '../core/banner.js';
import { fill, h } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { menuButton, menuItem } from '../core/menu.js';
import { currentWho, isLocal, may, sessionChanged, tellSignedOut } from '../core/session.js';
import { roleWord } from './roles.js';
import { forgetEmail } from './sign-in-form.js';

/** @import { IconName } from '../core/icons.js' */
/** @import { Needs } from '../core/session.js' */
/** @import { Who } from '../core/types.d.ts' */

/** @type {[address: string, label: string, shape: IconName, needs: Needs][]} */
export const PLACES = [
  ['#/account', t('access.account'), 'person', 'person'],
  ['#/people', t('access.people'), 'people', 'admin'],
  ['#/keys', t('access.api_keys'), 'key', 'person'],
  ['#/activity', t('access.activity'), 'list', 'admin'],
];
const LOCAL_TEXT = t('access.local');

/**
 * Create the menu's place, which follows who is signed in.
 * @returns {HTMLElement}
 */
export function accountMenu() {
  const element = h('div', { class: 'account-place' });
  const show = () => {
    const who = currentWho();
    element.hidden = !who;
    fill(element, who && (isLocal() ? setupLink() : personMenu(who)));
  };
  sessionChanged.subscribe(show);
  show();
  return element;
}

function setupLink() {
  return h(
    'a',
    {
      class: 'local-note',
      href: '/#/setup',
      title: `${LOCAL_TEXT} · ${t('access.set_up')}`,
      data: { testid: 'setup-accounts' },
    },
    icon('people'),
    h('span', { class: 'local-note-who', text: `${LOCAL_TEXT} · ` }),
    h('span', { class: 'local-note-what', text: t('access.set_up') }),
  );
}

/** @param {Who} who */
function personMenu({ actor }) {
  const items = PLACES.filter(([, , , needs]) => may(needs)).map(([address, label, shape]) =>
    menuItem({ run: () => visit(address), testid: `menu-${address.slice(2)}` }, icon(shape), label),
  );
  items.push(menuItem({ run: signOut, testid: 'sign-out' }, icon('leave'), t('access.sign_out')));
  const holder = menuButton({
    face: [h('span', { class: 'initials', 'aria-hidden': 'true', text: initialsOf(actor.name) })],
    label: t('access.account_of', { name: actor.name, role: roleWord(actor.role) }),
    look: 'account-button',
    testid: 'account-menu',
    items,
  });
  holder
    .querySelector('.menu')
    ?.prepend(
      h(
        'span',
        { class: 'menu-title account-title', role: 'presentation' },
        h('strong', { text: actor.name, dir: 'auto' }),
        h('span', { text: roleWord(actor.role), data: { testid: 'account-role' } }),
      ),
    );
  return holder;
}

/**
 * Return the first letters of the first and the last name.
 * @param {string} name
 */
export function initialsOf(name) {
  const words = name.trim().split(/\s+/);
  const chosen = words.length > 1 ? [words[0], words.at(-1)] : words;
  return chosen.map((word) => [...(word ?? '')][0]?.toUpperCase() ?? '').join('');
}

/** End the session of this browser. */
export async function signOut() {
  try {
    await sendJson('DELETE', '/api/session');
  } catch (error) {
    showBanner({
      key: 'sign-out',
      title: t('access.still_signed_in', { reason: messageOf(error) }),
      detail: nextStep(error),
    });
    return;
  }
  forgetEmail();
  tellSignedOut();
  // A new page knows nothing of what the person saw.
  const isSamePage = window.location.pathname === '/';
  visit('#/sign-in');
  if (isSamePage) window.location.reload();
}

/** @param {string} address of a screen; the menu is on other pages, too */
function visit(address) {
  window.location.assign(`/${address}`);
}
