// The screen of one import: #/imports/<task_id>. A reload or another tab shows the same.

import { buildBanner } from './banner.js';
import { fill, h } from './dom.js';
import { importCard } from './import-card.js';
import { isFinal } from './job.js';
import { watchJob } from './progress.js';
import { rejectsPanel } from './rejects.js';

const APP_NAME = 'Acme Product Importer';

/** @type {import('./router.js').Screen} */
export const importDetailScreen = {
  mount(root, { params }) {
    const title = h('h1', { class: 'file-title', text: 'Import' });
    const body = h('div', { class: 'stack' }, h('div', { class: 'card import-card skeleton-card', 'aria-busy': 'true' },
      h('p', { class: 'visually-hidden', text: 'Loading the import…' }), h('div', { class: 'skeleton' }), h('div', { class: 'skeleton' })));
    root.append(h('div', { class: 'screen screen-narrow' },
      h('div', { class: 'screen-head' },
        h('nav', { class: 'crumbs', 'aria-label': 'Breadcrumb' }, h('a', { href: '#/import', text: 'Import' }), h('span', { 'aria-hidden': 'true', text: '/' })),
        title),
      body));

    let card = null;
    let rejects = null;
    const stopWatching = watchJob(params.id, {
      onJob(job) {
        if (card) card.show(job);
        else {
          card = importCard(job);
          title.textContent = job.filename;
          title.title = job.filename;
          fill(body, card.element);
        }
        document.title = pageTitle(job);
        if (isFinal(job) && job.rejected_count > 0 && !rejects) {
          rejects = rejectsPanel(job);
          body.append(rejects);
        }
      },
      onMissing(error) {
        title.textContent = 'Import not found';
        document.title = `Not found · ${APP_NAME}`;
        fill(body, buildBanner({
          title: error.message,
          detail: 'The address may be mistyped, or the import was removed.',
          action: { label: 'All imports', run: () => { window.location.hash = '#/import'; } },
        }));
      },
    });

    const unmount = () => {
      stopWatching();
      card?.stop();
    };
    return { update() {}, unmount };
  },
};

function pageTitle(job) {
  const state = isFinal(job) ? { completed: 'Imported', failed: 'Failed', cancelled: 'Cancelled' }[job.status] : `${job.progress ?? 0}%`;
  return `${state} · ${job.filename} · ${APP_NAME}`;
}
