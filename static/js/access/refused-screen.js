// What a direct link shows to people who may not see its screen: why, and what to do.

import { h } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { PERSON, currentRole, isLocal } from '../core/session.js';
import { emptyState } from '../core/widgets.js';
import { roleWord } from './roles.js';

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
    return isNobody ? t('access.refused.account_needed') : t('access.refused.sign_in_needed');
  }
  return t('access.refused.role_needed', { role: roleWord(role), needed: roleWord(ROLE_OF_NEED[needs] ?? 'admin') });
}

/**
 * Create the screen.
 * @param {Needs} needs what the person lacks
 * @returns {Screen}
 */
export const refusedScreen = (needs) => ({
  mount(root) {
    document.title = t('common.page_title', { name: t('access.refused.title') });
    const toAccounts = needs === PERSON && isLocal();
    const state = emptyState({
      shape: 'lock',
      title: toAccounts ? t('access.people_list.none') : t('access.refused.not_yours'),
      detail: explainRefusal(needs, { role: currentRole(), isLocal: isLocal() }),
      action: toAccounts
        ? h('a', { class: 'button button-primary', href: '#/setup', text: t('access.set_up') })
        : h('a', { class: 'button', href: '#/products', text: t('access.see_products') }),
    });
    state.dataset.testid = 'refused';
    root.append(
      h('div', { class: 'screen' }, h('h1', { class: 'visually-hidden', text: t('access.refused.title') }), state),
    );
    return {};
  },
});
