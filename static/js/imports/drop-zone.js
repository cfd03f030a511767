// Where files come in: the drop zone, drops anywhere on the page, and the file picker.

import { clearBanner, showBanner } from '../core/banner.js';
import { closeDialogs } from '../core/dialog.js';
import { h } from '../core/dom.js';
import { icon } from '../core/icons.js';
import { go } from '../core/router.js';
import { enqueueUploads, findFileProblem } from './upload-queue.js';
import { uploadFields } from './upload-settings.js';

const CHECK_BANNER = 'file-check';
const ACCEPT = '.csv,.tsv,.gz,.zip,text/csv,text/tab-separated-values,application/gzip,application/zip';

/** @returns {HTMLElement} the drop zone of the import screen */
export function createDropZone() {
  const input = h('input', {
    class: 'visually-hidden',
    type: 'file',
    multiple: true,
    accept: ACCEPT,
    data: { testid: 'file-input' },
    'aria-label': 'Choose product files to import',
    'aria-describedby': 'drop-columns',
    on: { change: () => takeFrom(input) },
  });
  return h(
    'label',
    { class: 'drop-zone', data: { testid: 'drop-zone' } },
    input,
    icon('upload', 'drop-icon'),
    h('span', { class: 'drop-title', text: 'Drop a product file here' }),
    h('span', { class: 'drop-hint', text: '.csv, .tsv, .csv.gz or .zip, one file or several' }),
    h('span', { class: 'button button-primary', 'aria-hidden': 'true', text: 'Choose a file' }),
  );
}

/** Opens the system's file dialog; must be called from a click. */
export function pickFiles() {
  const input = h('input', { type: 'file', multiple: true, accept: ACCEPT, hidden: true });
  input.addEventListener('change', () => {
    takeFrom(input);
    input.remove();
  });
  input.addEventListener('cancel', () => input.remove());
  document.body.append(input);
  input.click();
}

function takeFrom(input) {
  acceptFiles([...input.files]);
  // Otherwise choosing the same file again would change nothing.
  input.value = '';
}

/** Lets files be dropped anywhere, on every screen. */
export function installPageDrop() {
  const overlay = h(
    'div',
    { class: 'drop-overlay', hidden: true, 'aria-hidden': 'true' },
    h('div', { class: 'drop-overlay-text' }, icon('upload'), h('span', { text: 'Drop to import' })),
  );
  document.body.append(overlay);
  let depth = 0;
  const show = (shown) => {
    overlay.hidden = !shown;
  };
  const onlyFiles = (handler) => (event) => {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    handler(event);
  };
  window.addEventListener(
    'dragenter',
    onlyFiles(() => {
      depth += 1;
      show(true);
    }),
  );
  window.addEventListener(
    'dragleave',
    onlyFiles(() => {
      depth = Math.max(0, depth - 1);
      show(depth > 0);
    }),
  );
  window.addEventListener(
    'dragover',
    onlyFiles((event) => {
      event.dataTransfer.dropEffect = 'copy';
    }),
  );
  window.addEventListener(
    'drop',
    onlyFiles((event) => {
      depth = 0;
      show(false);
      closeDialogs();
      takeDrop(event.dataTransfer);
    }),
  );
}

function takeDrop(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === 'file');
  const folders = items.map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry?.isDirectory);
  const folderNames = new Set(folders.map((folder) => folder.name));
  acceptFiles(
    [...transfer.files].filter((file) => !folderNames.has(file.name)),
    [...folderNames],
  );
}

function acceptFiles(files, folderNames = []) {
  const problems = folderNames.map((name) => ({
    title: `“${name}” is a folder.`,
    detail: 'Drop the files in it instead.',
  }));
  const good = [];
  for (const file of files) {
    const problem = findFileProblem(file);
    if (problem) problems.push(problem);
    else good.push(file);
  }
  showProblems(problems, good.length);
  if (!good.length) return;
  go('#/import');
  enqueueUploads(good, uploadFields());
}

function showProblems(problems, goodCount) {
  clearBanner(CHECK_BANNER);
  if (!problems.length) return;
  const [first, ...others] = problems;
  const kept = goodCount ? ' The other files are being uploaded.' : '';
  showBanner({
    key: CHECK_BANNER,
    title: others.length ? `${first.title} ${others.map((problem) => problem.title).join(' ')}` : first.title,
    detail: (others.length ? 'Choose files (.csv, .tsv, packed or not) that are not empty.' : first.detail) + kept,
  });
}
