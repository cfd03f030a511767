// The import screen: drop zone, uploads under way, earlier imports.

import { NetworkError, getJson, nextStep } from './api.js';
import { clearBanner, showBanner } from './banner.js';
import { onReconnect } from './connection.js';
import { fill, h } from './dom.js';
import { dropZone } from './dropzone.js';
import { importsTable } from './imports-table.js';
import { createPager } from './pager.js';
import { go, setQuery } from './router.js';
import { uploadList } from './upload-list.js';
import { currentUploads, onUploadChange } from './upload.js';
import { emptyState, refreshTimes } from './widgets.js';

const PER_PAGE = 10;
const REFRESH_MS = 15_000;
const BANNER_KEY = 'imports-list';

/** @type {import('./router.js').Screen} */
export const importScreen = {
  mount(root, { query }) {
    document.title = 'Import · Acme Product Importer';
    const uploads = uploadList();
    const history = earlierImports();
    root.append(h('div', { class: 'screen screen-import' },
      h('div', { class: 'screen-head' }, h('h1', { text: 'Import products' })),
      h('div', { class: 'stack' }, h('div', { class: 'card drop-card' }, dropZone(), columnsHelp()), uploads.element, history.element)));
    history.load(pageOf(query));

    const stopUploads = openWhenUploaded(() => history.reload());
    const stopReconnect = onReconnect(() => history.reload());
    const timer = setInterval(() => document.visibilityState === 'visible' && history.reload(), REFRESH_MS);
    const update = (location) => history.load(pageOf(location.query));
    const unmount = () => {
      clearInterval(timer);
      stopUploads();
      stopReconnect();
      uploads.stop();
      history.stop();
    };
    return { update, unmount };
  },
};

const pageOf = (query) => Math.max(1, Math.floor(Number(query.get('page'))) || 1);

/** A single upload leads to its import; of several, each shows up in the list. */
function openWhenUploaded(onStored) {
  const countLeft = () => currentUploads().filter((upload) => upload.state !== 'failed').length;
  let several = countLeft() > 1;
  return onUploadChange((upload) => {
    const left = countLeft();
    if (left > 1) several = true;
    if (upload.state !== 'done') return;
    if (several || left > 0) onStored();
    else go(`#/imports/${encodeURIComponent(upload.taskId)}`);
    if (left === 0) several = false;
  });
}

function columnsHelp() {
  const row = (tag, cells) => h('tr', {}, cells.map((text) => h(tag, { scope: tag === 'th' ? 'col' : null, text })));
  return h('div', { class: 'columns-help' },
    h('p', { id: 'drop-columns' },
      'The first row names the columns: ', h('code', { text: 'sku' }), ' is required; ', h('code', { text: 'name' }), ', ',
      h('code', { text: 'description' }), ' and ', h('code', { text: 'active' }), ' are optional. A SKU that exists already is updated.'),
    h('table', { class: 'example', 'aria-label': 'Example file' },
      h('thead', {}, row('th', ['sku', 'name', 'description', 'active'])),
      h('tbody', {},
        row('td', ['LAMP-01', 'Desk lamp', 'Dimmable', 'true']),
        row('td', ['LAMP-02', 'Floor lamp', '', 'false']))));
}

function earlierImports() {
  const table = importsTable();
  const pager = createPager({ label: 'earlier imports', onPage: (page) => setQuery({ page: page > 1 ? page : undefined }) });
  const body = h('div', { class: 'card table-card' }, loading());
  const element = h('section', { class: 'earlier', 'aria-labelledby': 'earlier-title' },
    h('h2', { id: 'earlier-title', text: 'Earlier imports' }), body);
  let page = 1;
  let request = null;

  async function load(wanted) {
    page = wanted;
    request?.abort();
    request = new AbortController();
    const { signal } = request;
    try {
      show(await getJson('/api/imports', { query: { page, per_page: PER_PAGE }, signal }));
      clearBanner(BANNER_KEY);
    } catch (error) {
      // Without a connection its own banner says so, and onReconnect loads again.
      if (signal.aborted || error instanceof NetworkError) return;
      showBanner({ key: BANNER_KEY, title: `The earlier imports could not be loaded. ${error.message}`, detail: nextStep(error), action: { label: 'Try again', run: reload } });
    }
  }
  const reload = () => load(page);

  function show({ imports, pagination }) {
    if (!pagination.total) {
      fill(body, emptyState({ shape: 'file', title: 'No imports yet', detail: 'Every file you import is listed here with its result.' }));
      return;
    }
    table.show(imports);
    pager.show(pagination);
    pager.element.hidden = pagination.pages <= 1 && page === 1;
    if (!table.element.isConnected) fill(body, table.element, pager.element);
    refreshTimes(table.element);
  }
  const stop = () => {
    request?.abort();
    table.stop();
    clearBanner(BANNER_KEY);
  };
  return { element, load, reload, stop };
}

function loading() {
  return h('div', { class: 'table-loading', 'aria-busy': 'true' },
    h('p', { class: 'visually-hidden', text: 'Loading the earlier imports…' }),
    Array.from({ length: 4 }, () => h('div', { class: 'skeleton' })));
}
