// Start the page: header, shortcuts, file drops, routes.

import { installDoubleClickGuard } from './core/double-click.js';
import { elementById, h } from './core/dom.js';
import { installShortcuts, openHelp } from './core/help.js';
import { installLiveEvents } from './core/live-events.js';
import { startRouter } from './core/router.js';
import { themeSwitch } from './core/theme.js';
import { installBackgroundProgress } from './imports/background-progress.js';
import { importDetailScreen } from './imports/detail-screen.js';
import { installPageDrop } from './imports/drop-zone.js';
import { importScreen } from './imports/screen.js';
import { productsScreen } from './products/screen.js';
import { webhookScreen } from './webhooks/detail-screen.js';
import { webhooksScreen } from './webhooks/screen.js';

/** @type {import('./core/router.js').Route[]} */
const ROUTES = [
  { name: 'import', pattern: /^\/import$/, screen: importScreen },
  {
    name: 'import-detail',
    pattern: /^\/imports\/(?<id>[^/]+)(?:\/(?<step>check|progress|result))?\/?$/,
    screen: importDetailScreen,
    within: 'step',
  },
  { name: 'webhooks', pattern: /^\/webhooks$/, screen: webhooksScreen },
  { name: 'webhooks-detail', pattern: /^\/webhooks\/(?<id>\d+)$/, screen: webhookScreen },
  { name: 'products', pattern: /^\/products$/, screen: productsScreen },
];

/** @param {string} name of the route */
function markCurrent(name) {
  for (const link of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[data-nav]'))) {
    if (name.split('-')[0] === link.dataset.nav) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
}

const main = elementById('main');

// The address selects the screen, so the skip link must not change it. It moves the focus instead.
elementById('skip-link').addEventListener('click', (event) => {
  event.preventDefault();
  main.focus();
});

elementById('tools').append(
  themeSwitch(),
  h('button', {
    class: 'icon-button help-button',
    type: 'button',
    'aria-label': 'Help',
    title: 'Help (?)',
    text: '?',
    on: { click: openHelp },
  }),
);

installDoubleClickGuard();
installLiveEvents();
installPageDrop();
installShortcuts({ search: productsScreen.focusSearch, create: productsScreen.createProduct });
startRouter({ root: main, routes: ROUTES, fallback: '#/import', onScreen: markCurrent });
installBackgroundProgress(elementById('activity'));
