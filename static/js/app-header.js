// What all pages share: the header with the navigation, the account menu, the theme and the help, and the footer.

import { accountMenu } from './access/account-menu.js';
import { installAppCommands } from './app-commands.js';
import { toggleCommandMenu } from './core/command-menu.js';
import { elementById, h, setText } from './core/dom.js';
import { openHelp } from './core/help.js';
import { t } from './core/i18n.js';
import { icon } from './core/icons.js';
import { ariaKeys, shownKeys } from './core/key-sequences.js';
import { installLanguageChoice } from './core/language-choice.js';
import { installLostFocus } from './core/lost-focus.js';
import { currentWho, may, sessionChanged } from './core/session.js';
import { installShortcuts, isMac } from './core/shortcuts.js';
import { themeSwitch } from './core/theme.js';

/** Complete the header of the page, and its footer. It follows who is signed in, and offers what they may do. */
export function installHeader() {
  elementById('tools').append(
    commandButton(),
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
  installLanguageChoice();
  installAppCommands();
  installShortcuts();
  installLostFocus();
  sessionChanged.subscribe(showNavigation);
  showNavigation();
}

function commandButton() {
  const keys = shownKeys('mod+k', isMac());
  return h(
    'button',
    {
      class: 'command-button',
      type: 'button',
      'aria-label': t('core.command.menu'),
      'aria-keyshortcuts': ariaKeys('mod+k', isMac()),
      title: t('core.command.menu_keys', { keys: keys.join('+') }),
      data: { testid: 'command-button' },
      on: { click: toggleCommandMenu },
    },
    icon('search'),
    h(
      'span',
      { class: 'command-button-keys', 'aria-hidden': 'true' },
      keys.map((key) => h('kbd', { text: key })),
    ),
  );
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
