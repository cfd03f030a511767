// The screens of access control, and which screen people see who may not see the one that they asked for.

import { currentWho, may } from '../core/session.js';
import { redirect } from '../core/router.js';
import { accountScreen } from './account-screen.js';
import { activityScreen } from './activity-screen.js';
import { keysScreen } from './keys-screen.js';
import { linkScreen } from './link-screen.js';
import { peopleScreen } from './people-screen.js';
import { refusedScreen } from './refused-screen.js';
import { setupScreen } from './setup-screen.js';
import { signInAddress, signInScreen } from './sign-in-screen.js';

/** @import { Route, Screen } from '../core/router.js' */

/** @type {Route[]} */
export const ACCESS_ROUTES = [
  { name: 'sign-in', pattern: /^\/sign-in$/, screen: signInScreen, isPublic: true },
  { name: 'setup', pattern: /^\/setup(?:\/(?<token>[^/]+))?$/, screen: setupScreen, isPublic: true },
  {
    name: 'invitation',
    pattern: /^\/invitation(?:\/(?<token>[^/]+))?$/,
    screen: linkScreen('invitation'),
    isPublic: true,
  },
  { name: 'reset', pattern: /^\/reset(?:\/(?<token>[^/]+))?$/, screen: linkScreen('reset'), isPublic: true },
  { name: 'account', pattern: /^\/account$/, screen: accountScreen, needs: 'person' },
  { name: 'people', pattern: /^\/people$/, screen: peopleScreen, needs: 'admin' },
  { name: 'keys', pattern: /^\/keys$/, screen: keysScreen, needs: 'person' },
  { name: 'activity', pattern: /^\/activity$/, screen: activityScreen, needs: 'admin' },
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
