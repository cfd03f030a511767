// The commands that every page has: destinations, the theme, the help, and the account.

import { PLACES, signOut } from './access/account-menu.js';
import { toggleCommandMenu } from './core/command-menu.js';
import { provideCommands } from './core/commands.js';
import { openHelp } from './core/help.js';
import { t } from './core/i18n.js';
import { go } from './core/router.js';
import { PERSON, currentWho, isLocal, may } from './core/session.js';
import { THEMES, applyTheme } from './core/theme.js';

/** @import { Command } from './core/commands.js' */
/** @import { IconName } from './core/icons.js' */

const GO = t('core.command.go');
const PAGE = t('core.command.page');

/** Register the commands. They follow who is signed in. */
export function installAppCommands() {
  provideCommands(() => (currentWho() ? [...places(), ...pageCommands(), ...accountCommands()] : pageCommands()));
}

/** @returns {Command[]} */
function places() {
  const importsLabel = may('imports:write') ? t('page.import') : t('page.imports');
  const imports = place('#/import', importsLabel, 'file', t('core.command.words.imports'));
  const products = place('#/products', t('page.products'), 'box', t('core.command.words.products'));
  const webhooks = place('#/webhooks', t('page.webhooks'), 'hook', t('core.command.words.webhooks'));
  return [
    { ...imports, shortcuts: ['g i'], help: t('core.command.go_imports') },
    { ...products, shortcuts: ['g p'], help: t('core.command.go_products') },
    ...(may('webhooks') ? [{ ...webhooks, shortcuts: ['g w'], help: t('core.command.go_webhooks') }] : []),
    ...PLACES.filter(([, , , needs]) => may(needs)).map(([address, label, shape]) => place(address, label, shape)),
    { ...place('/api/docs', t('core.command.api_docs'), 'list'), run: () => window.location.assign('/api/docs') },
  ];
}

/**
 * @param {string} address
 * @param {string} label
 * @param {IconName} shape
 * @param {string} [keywords]
 * @returns {Command}
 */
const place = (address, label, shape, keywords) => ({
  id: `go-${address}`,
  label,
  keywords: [t('core.command.words.places'), keywords].join(' '),
  shape,
  group: GO,
  run: () => visit(address),
});

/** @param {string} address of a screen; the commands are on other pages, too */
function visit(address) {
  if (window.location.pathname === '/') go(address);
  else window.location.assign(`/${address}`);
}

/** @returns {Command[]} */
const pageCommands = () => [
  {
    id: 'command-menu',
    label: t('core.command.menu'),
    help: t('core.command.menu_help'),
    shortcuts: ['mod+k'],
    isHidden: true,
    isInFields: true,
    isInDialogs: true,
    run: toggleCommandMenu,
  },
  ...THEMES.map(({ value, label, icon }) => {
    /** @type {Command} */
    const command = {
      id: `theme-${value}`,
      label,
      keywords: t('core.command.words.theme'),
      shape: icon,
      group: PAGE,
      run: () => applyTheme(value),
    };
    return command;
  }),
  {
    id: 'help',
    label: t('page.help'),
    help: t('core.help.show_help'),
    keywords: t('core.command.words.help'),
    shape: 'alert',
    group: PAGE,
    shortcuts: ['?'],
    run: openHelp,
  },
];

/** @returns {Command[]} */
function accountCommands() {
  if (isLocal()) {
    return [{ id: 'set-up', label: t('access.set_up'), shape: 'people', group: PAGE, run: () => visit('#/setup') }];
  }
  return may(PERSON)
    ? [{ id: 'sign-out', label: t('access.sign_out'), shape: 'leave', group: PAGE, run: signOut }]
    : [];
}
