// The commands that every page has: destinations, the theme, the help, and the account.

import { PLACES, signOut } from './access/account-menu.js';
import { toggleCommandMenu } from './core/command-menu.js';
import { provideCommands } from './core/commands.js';
import { openHelp } from './core/help.js';
import { go } from './core/router.js';
import { PERSON, currentWho, isLocal, may } from './core/session.js';
import { THEMES, applyTheme } from './core/theme.js';

/** @import { Command } from './core/commands.js' */
/** @import { IconName } from './core/icons.js' */

const GO = 'Go to';
const PAGE = 'This page';

/** Register the commands. They follow who is signed in. */
export function installAppCommands() {
  provideCommands(() => (currentWho() ? [...places(), ...pageCommands(), ...accountCommands()] : pageCommands()));
}

/** @returns {Command[]} */
function places() {
  return [
    {
      ...place('#/import', may('imports:write') ? 'Import' : 'Imports', 'file', 'g i', 'history upload'),
      help: 'Go to imports',
    },
    place('#/products', 'Products', 'box', 'g p', 'catalogue'),
    ...(may('webhooks') ? [place('#/webhooks', 'Webhooks', 'hook', 'g w', 'deliveries')] : []),
    ...PLACES.filter(([, , , needs]) => may(needs)).map(([address, label, shape]) => place(address, label, shape)),
    { ...place('/api/docs', 'API documentation', 'list'), run: () => window.location.assign('/api/docs') },
  ];
}

/**
 * @param {string} address
 * @param {string} label
 * @param {IconName} shape
 * @param {string} [shortcut]
 * @param {string} [keywords]
 * @returns {Command}
 */
const place = (address, label, shape, shortcut, keywords) => ({
  id: `go-${address}`,
  label,
  keywords: `go to open ${keywords ?? ''}`,
  shape,
  group: GO,
  shortcuts: shortcut ? [shortcut] : [],
  help: `Go to ${label.toLowerCase()}`,
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
    label: 'Command menu',
    help: 'Open the command menu; on a Mac with Cmd',
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
      keywords: 'colours mode appearance',
      shape: icon,
      group: PAGE,
      run: () => applyTheme(value),
    };
    return command;
  }),
  {
    id: 'help',
    label: 'Help',
    help: 'Show this help',
    keywords: 'keyboard shortcuts',
    shape: 'alert',
    group: PAGE,
    shortcuts: ['?'],
    run: openHelp,
  },
];

/** @returns {Command[]} */
function accountCommands() {
  if (isLocal()) {
    return [{ id: 'set-up', label: 'Set up accounts', shape: 'people', group: PAGE, run: () => visit('#/setup') }];
  }
  return may(PERSON) ? [{ id: 'sign-out', label: 'Sign out', shape: 'leave', group: PAGE, run: signOut }] : [];
}
