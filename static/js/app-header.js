// The header that all pages share: the navigation, the account menu, the theme and the help.

import { accountMenu } from './access/account-menu.js';
import { elementById, h, setText } from './core/dom.js';
import { openHelp } from './core/help.js';
import { t } from './core/i18n.js';
import { currentWho, may, sessionChanged } from './core/session.js';
import { themeSwitch } from './core/theme.js';

/** Complete the header of the page. It follows who is signed in, and offers what they may do. */
export function installHeader() {
  elementById('tools').append(
    accountMenu(),
    themeSwitch(),
    h('button', {
      class: 'icon-button help-button',
      type: 'button',
      'aria-label': t('page.help'),
      title: t('page.help_hint'),
      text: '?',
      on: { click: openHelp },
    }),
  );
  sessionChanged.subscribe(showNavigation);
  showNavigation();
}

function showNavigation() {
  const navigation = elementById('navigation');
  const isKnown = currentWho() !== null;
  for (const link of /** @type {NodeListOf<HTMLElement>} */ (navigation.querySelectorAll('[data-nav]'))) {
    if (link.dataset.nav === 'webhooks') link.hidden = !may('webhooks');
    if (link.dataset.nav === 'import') {
      setText(link, !isKnown || may('imports:write') ? t('page.import') : t('page.imports'));
    }
  }
  navigation.hidden = !isKnown;
}
