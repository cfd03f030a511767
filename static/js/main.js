// Start the page: session, header, shortcuts, file drops, routes.

import { ACCESS_ROUTES, guardRoute, loadAccess } from './access/routes.js';
import { startSession } from './access/start.js';
import { installHeader } from './app-header.js';
import { installAttendance } from './core/attendance.js';
import { installDoubleClickGuard } from './core/double-click.js';
import { provideCommands } from './core/commands.js';
import { elementById } from './core/dom.js';
import { dropEarlyAnswers } from './core/early-answers.js';
import { installLiveEvents } from './core/live-events.js';
import { definePart, reportMissingPart } from './core/parts.js';
import { startRouter } from './core/router.js';
import { currentWho, sessionChanged } from './core/session.js';
import { installProductSearch } from './products/product-commands.js';
import { createProductsScreen } from './products/screen.js';

const loadImports = definePart(() => import('./imports/part.js'));
const loadWebhooks = definePart(() => import('./webhooks/part.js'));

const productsScreen = createProductsScreen(async (options) => (await loadImports()).createBulkPanel(options));

/** @type {import('./core/router.js').Route[]} */
const ROUTES = [
  { name: 'import', pattern: /^\/import$/, load: async () => (await loadImports()).importScreen },
  {
    name: 'import-detail',
    pattern: /^\/imports\/(?<id>[^/]+)(?:\/(?<step>check|progress|result))?\/?$/,
    load: async () => (await loadImports()).importDetailScreen,
    within: ['step'],
  },
  {
    name: 'webhooks',
    pattern: /^\/webhooks$/,
    load: async () => (await loadWebhooks()).webhooksScreen,
    needs: 'webhooks',
  },
  {
    name: 'webhooks-detail',
    pattern: /^\/webhooks\/(?<id>\d+)$/,
    load: async () => (await loadWebhooks()).webhookScreen,
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
  provideCommands(productsScreen.commands);
  installProductSearch();
  loadParts();
}

/**
 * Load the other parts of the page, and start what runs in the background there. After that, an update of the server
 * does not concern this page any more: it needs no further file.
 */
async function loadParts() {
  try {
    const imports = await loadImports();
    imports.installPageDrop();
    provideCommands(imports.importCommands);
    imports.installImportSearch();
    imports.installBackgroundProgress(elementById('activity'));
    await Promise.all([loadWebhooks(), loadAccess()]);
  } catch {
    reportMissingPart();
  }
}

installHeader();
installDoubleClickGuard();
sessionChanged.subscribe(startBackground);
installAttendance();
startSession(() => {
  startBackground();
  startRouter({ root: main, routes: ROUTES, fallback: '#/import', guard: guardRoute, onScreen: markCurrent });
  dropEarlyAnswers();
});
