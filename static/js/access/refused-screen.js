// What a direct link shows to people who may not see its screen: why, and what to do.

import { h } from '../core/dom.js';
import { PERSON, currentRole, isLocal } from '../core/session.js';
import { emptyState } from '../core/widgets.js';

/** @import { Screen } from '../core/router.js' */
/** @import { Needs } from '../core/session.js' */

/** @type {Partial<Record<Needs, string>>} */
const ROLE_OF_NEED = { 'products:write': 'editor', 'imports:write': 'editor' };

/**
 * Return why a screen is not shown.
 * @param {Needs} needs
 * @param {{role: string, isLocal: boolean}} who
 */
export function explainRefusal(needs, { role, isLocal: isNobody }) {
  if (needs === PERSON) {
    return isNobody
      ? 'This is for people who have an account. Nobody has one yet: everyone on this machine may do everything.'
      : 'This is for people who are signed in.';
  }
  return (
    `Your role, ${role}, does not include this: it needs the role ${ROLE_OF_NEED[needs] ?? 'admin'}. ` +
    'Ask an administrator to change your role.'
  );
}

/**
 * Create the screen.
 * @param {Needs} needs what the person lacks
 * @returns {Screen}
 */
export const refusedScreen = (needs) => ({
  mount(root) {
    document.title = 'Not allowed · Acme Product Importer';
    const toAccounts = needs === PERSON && isLocal();
    const state = emptyState({
      shape: 'lock',
      title: toAccounts ? 'Nobody has an account yet' : 'You may not see this',
      detail: explainRefusal(needs, { role: currentRole(), isLocal: isLocal() }),
      action: toAccounts
        ? h('a', { class: 'button button-primary', href: '#/setup', text: 'Set up accounts' })
        : h('a', { class: 'button', href: '#/products', text: 'See the products' }),
    });
    state.dataset.testid = 'refused';
    root.append(h('div', { class: 'screen' }, h('h1', { class: 'visually-hidden', text: 'Not allowed' }), state));
    return {};
  },
});
