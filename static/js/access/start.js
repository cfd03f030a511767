// Find out who uses the page before it shows anything, and follow changes of what they may do.

import { NetworkError, fetchWho, messageOf, nextStep } from '../core/api.js';
import { buildBanner, showBanner } from '../core/banner.js';
import { reconnected } from '../core/connection.js';
import { elementById, fill } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { go } from '../core/router.js';
import { currentWho, mayContinueAs, sessionChanged, setWho, tellOtherTabs } from '../core/session.js';
import { roleWord } from './roles.js';
import { installSessionDialog } from './session-dialog.js';
import { takeNext } from './sign-in-screen.js';

/** @import { Who } from '../core/types.d.ts' */

const BANNER_KEY = 'role';

/**
 * Start the page once it is known who uses it.
 * @param {() => void} start shows the screen of the address
 */
export async function startSession(start) {
  installSessionDialog();
  try {
    const who = await fetchWho();
    if (who) {
      setWho(who);
      tellOtherTabs();
      const next = takeNext();
      if (next && !window.location.hash) go(next);
    }
  } catch (error) {
    const again = () => startSession(start);
    if (error instanceof NetworkError) {
      const stop = reconnected.subscribe(() => {
        stop();
        again();
      });
      return;
    }
    fill(
      elementById('main'),
      buildBanner({
        title: messageOf(error),
        detail: nextStep(error),
        action: { label: t('common.try_again'), run: again },
      }),
    );
    return;
  }
  fill(elementById('main'));
  sessionChanged.subscribe(tellChangedRole);
  start();
}

/**
 * Tell people that they may do more or less than the screen offers. It is not built again: it may hold typed text.
 * @param {Who | null} before
 */
function tellChangedRole(before) {
  const who = currentWho();
  if (!before || !who || !mayContinueAs(before, who) || before.scopes.join() === who.scopes.join()) return;
  showBanner({
    key: BANNER_KEY,
    tone: 'warning',
    title: t('access.role_changed', { role: roleWord(who.actor.role) }),
    detail: t('access.role_changed_hint'),
    action: { label: t('common.reload'), run: () => window.location.reload() },
  });
}
