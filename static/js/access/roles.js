// The roles of people, as the page shows them.

import { h } from '../core/dom.js';
import { t } from '../core/i18n.js';

/** @import { Props } from '../core/dom.js' */
/** @import { Role } from '../core/session.js' */

/** @type {[role: Role, label: string][]} */
const ROLES = [
  ['viewer', t('access.role.viewer')],
  ['editor', t('access.role.editor')],
  ['admin', t('access.role.admin')],
];

/**
 * Create a choice of a role.
 * @param {Role} role
 * @param {Props} attributes
 */
export function roleSelect(role, attributes) {
  const select = h(
    'select',
    { class: 'input', ...attributes },
    ROLES.map(([value, label]) => h('option', { value, text: label })),
  );
  select.value = role;
  return select;
}

/**
 * Return the name of a role as it stands within a sentence.
 * @param {string | null | undefined} role
 */
export const roleWord = (role) => (role ? t('access.role_word', { role: /** @type {Role} */ (role) }) : '');
