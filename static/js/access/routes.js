// The screens of access control, and which screen people see who may not see the one that they asked for.

import { definePart } from '../core/parts.js';
import { redirect } from '../core/router.js';
import { currentWho, may } from '../core/session.js';
import { refusedScreen } from './refused-screen.js';
import { signInAddress, signInScreen } from './sign-in-screen.js';

/** @import { Route, Screen } from '../core/router.js' */

/** Load the screens besides the sign-in. */
export const loadAccess = definePart(() => import('./part.js'));

/** @type {Route[]} */
export const ACCESS_ROUTES = [
  { name: 'sign-in', pattern: /^\/sign-in$/, screen: signInScreen, isPublic: true },
  {
    name: 'setup',
    pattern: /^\/setup(?:\/(?<token>[^/]+))?$/,
    load: async () => (await loadAccess()).setupScreen,
    isPublic: true,
  },
  {
    name: 'invitation',
    pattern: /^\/invitation(?:\/(?<token>[^/]+))?$/,
    load: async () => (await loadAccess()).linkScreen('invitation'),
    isPublic: true,
  },
  {
    name: 'reset',
    pattern: /^\/reset(?:\/(?<token>[^/]+))?$/,
    load: async () => (await loadAccess()).linkScreen('reset'),
    isPublic: true,
  },
  { name: 'account', pattern: /^\/account$/, load: async () => (await loadAccess()).accountScreen, needs: 'person' },
  { name: 'people', pattern: /^\/people$/, load: async () => (await loadAccess()).peopleScreen, needs: 'admin' },
  { name: 'keys', pattern: /^\/keys$/, load: async () => (await loadAccess()).keysScreen, needs: 'person' },
  { name: 'activity', pattern: /^\/activity$/, load: async () => (await loadAccess()).activityScreen, needs: 'admin' },
];

/** Nothing is shown while the router follows the redirect. @type {Screen} */
const NOTHING = { mount: () => ({}) };

/**
 * Return the screen to show instead of a route's: the sign-in, or why the person may not see it.
 * @param {Route} route
 * @returns {Screen | null} null if they may
 */
export function guardRoute({ isPublic, needs }) {
  if (isPublic) return null;
  if (!currentWho()) {
    const address = signInAddress(window.location.hash);
    queueMicrotask(() => redirect(address));
    return NOTHING;
  }
  return needs && !may(needs) ? refusedScreen(needs) : null;
}
