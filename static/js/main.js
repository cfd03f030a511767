// Start the page: session, header, shortcuts, file drops, routes.

import { ACCESS_ROUTES, guardRoute } from './access/routes.js';
import { startSession } from './access/start.js';
import { installHeader } from './app-header.js';
import { installAttendance } from './core/attendance.js';
import { installDoubleClickGuard } from './core/double-click.js';
import { provideCommands } from './core/commands.js';
import { elementById } from './core/dom.js';
import { installLiveEvents } from './core/live-events.js';
import { startRouter } from './core/router.js';
import { currentWho, sessionChanged } from './core/session.js';
import { installBackgroundProgress } from './imports/background-progress.js';
import { createBulkPanel } from './imports/bulk-panel.js';
import { importDetailScreen } from './imports/detail-screen.js';
import { installPageDrop } from './imports/drop-zone.js';
import { importCommands, installImportSearch } from './imports/import-commands.js';
import { importScreen } from './imports/screen.js';
import { installProductSearch } from './products/product-commands.js';
import { createProductsScreen } from './products/screen.js';
import { webhookScreen } from './webhooks/detail-screen.js';
import { webhooksScreen } from './webhooks/screen.js';

const productsScreen = createProductsScreen(createBulkPanel);

/** @type {import('./core/router.js').Route[]} */
const ROUTES = [
  { name: 'import', pattern: /^\/import$/, screen: importScreen },
  {
    name: 'import-detail',
    pattern: /^\/imports\/(?<id>[^/]+)(?:\/(?<step>check|progress|result))?\/?$/,
    screen: importDetailScreen,
    within: ['step'],
  },
  { name: 'webhooks', pattern: /^\/webhooks$/, screen: webhooksScreen, needs: 'webhooks' },
  {
    name: 'webhooks-detail',
    pattern: /^\/webhooks\/(?<id>\d+)$/,
    screen: webhookScreen,
    needs: 'webhooks',
  },
  {
    name: 'products',
    // The address of a view is replaced by that of the list that it shows.
    pattern: /^\/products(?:\/(?<id>\d+)|\/views\/(?<view>[^/]+))?$/,
    screen: productsScreen,
    within: ['id', 'view'],
  },
  ...ACCESS_ROUTES,
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

let isStarted = false;

/** Start what runs in the background once somebody is signed in. */
function startBackground() {
  if (!currentWho() || isStarted) return;
  isStarted = true;
  installLiveEvents();
  installPageDrop();
  provideCommands(() => [...productsScreen.commands(), ...importCommands()]);
  installProductSearch();
  installImportSearch();
  installBackgroundProgress(elementById('activity'));
}

installHeader();
installDoubleClickGuard();
sessionChanged.subscribe(startBackground);
installAttendance();
startSession(() => {
  startBackground();
  startRouter({ root: main, routes: ROUTES, fallback: '#/import', guard: guardRoute, onScreen: markCurrent });
});
