// The import screen: drop zone, uploads that have not ended, earlier imports.

import { followChanges } from '../core/change-stream.js';
import { reconnected } from '../core/connection.js';
import { h } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { go } from '../core/router.js';
import { currentRole, may } from '../core/session.js';
import { createChooseCard } from './choose-step.js';
import { hasRefusedFiles } from './drop-zone.js';
import { createImportHistory } from './history.js';
import { importAddress } from './steps.js';
import { createUploadList } from './upload-list.js';
import { currentUploads, isUnderWay, uploadChanged } from './upload-queue.js';

/** @import { Screen, ScreenLocation } from '../core/router.js' */

/** @type {Screen} */
export const importScreen = {
  mount(root, { query }) {
    const mayImport = may('imports:write');
    const name = mayImport ? t('imports.history.screen.import') : t('imports.history.screen.imports');
    document.title = t('common.page_title', { name });
    const choose = createChooseCard();
    const uploads = createUploadList();
    const history = createImportHistory();
    root.append(
      h(
        'div',
        { class: 'screen screen-import' },
        h(
          'div',
          { class: 'screen-head' },
          h('h1', {
            text: mayImport ? t('imports.history.screen.import_products') : t('imports.history.screen.imports'),
          }),
        ),
        h('div', { class: 'stack' }, mayImport ? choose.element : viewerNote(), uploads.element, history.element),
      ),
    );
    history.load(query);

    const stopUploads = followUploads(() => history.reload());
    // The option that removes products holds for one file, and is reset once that is queued.
    const stopOptions = uploadChanged.subscribe(choose.refresh);
    const stopReconnect = reconnected.subscribe(() => history.reload());
    const stopStream = followChanges('jobs', () => history.reload());
    /** @param {ScreenLocation} location */
    const update = (location) => history.load(location.query);
    const unmount = () => {
      stopStream();
      stopUploads();
      stopOptions();
      stopReconnect();
      uploads.stop();
      history.stop();
    };
    return { update, unmount };
  },
};

/** Say why the screen offers no upload, and what to do. */
const viewerNote = () =>
  h('p', {
    class: 'note',
    data: { testid: 'import-refused' },
    text: t('imports.history.screen.viewer', { role: currentRole() || 'other' }),
  });

/**
 * Go to the import of a single upload once its file is stored. The imports of several uploads appear in the history.
 * @param {() => void} onStored called for each of several uploads
 * @returns {() => void} a function that stops it
 */
function followUploads(onStored) {
  const countLeft = () => currentUploads().filter(isUnderWay).length;
  let areSeveral = countLeft() > 1;
  return uploadChanged.subscribe((upload) => {
    const left = countLeft();
    if (left > 1) areSeveral = true;
    if (upload.state !== 'done' || !upload.taskId) return;
    // Why other files of the same choice were refused must stay readable.
    if (areSeveral || left > 0 || hasRefusedFiles()) onStored();
    else go(importAddress(upload.taskId, upload.fields.preview ? 'check' : 'progress'));
    if (left === 0) areSeveral = false;
  });
}
