// The roles of people, as the page shows them.

import { h } from '../core/dom.js';

/** @import { Props } from '../core/dom.js' */
/** @import { Role } from '../core/session.js' */

/** @type {[role: Role, label: string][]} */
const ROLES = [
  ['viewer', 'Viewer'],
  ['editor', 'Editor'],
  ['admin', 'Admin'],
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

/** @param {Role} role */
export const roleLabel = (role) => ROLES.find(([value]) => value === role)?.[1] ?? role;
