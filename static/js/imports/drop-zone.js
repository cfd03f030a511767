// Ways to choose files: the drop zone, drops anywhere on the page, and the file dialog.

import { clearBanner, isBannerShown, showBanner } from '../core/banner.js';
import { closeDialogs } from '../core/dialog.js';
import { h } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { go } from '../core/router.js';
import { may } from '../core/session.js';
import { findFileProblem, findSelectionProblem, summarizeProblems } from './file-check.js';
import { enqueueUploads } from './upload-queue.js';
import { currentOptions, resetMissing, uploadFields } from './upload-settings.js';
import { loadTransferLibrary } from './upload-transfer.js';

const CHECK_BANNER = 'file-check';
const IMPORT_ADDRESS = '#/import';
// The media type of a file depends on the programs that are installed, so its name decides.
const ACCEPT = '.csv,.tsv,.tab,.txt,.xlsx,.xlsm,.xlsb,.xls,.ods,.zip,.gz,.bz2,.xz,.zst';

/** The path of the screen that the banner about refused files belongs to. */
let refusedOn = '';

/** Return whether the page shows why files were refused. */
export const hasRefusedFiles = () => isBannerShown(CHECK_BANNER);

/**
 * Create the drop zone of the import screen.
 * @returns {HTMLElement}
 */
export function createDropZone() {
  const input = h('input', {
    class: 'visually-hidden',
    type: 'file',
    multiple: true,
    accept: ACCEPT,
    data: { testid: 'file-input' },
    'aria-label': t('imports.choose.input'),
    'aria-describedby': 'drop-columns',
  });
  input.addEventListener('change', () => uploadChosen(input));
  return h(
    'label',
    { class: 'drop-zone', data: { testid: 'drop-zone' } },
    input,
    icon('upload', 'drop-icon'),
    h('span', { class: 'drop-title', text: t('imports.choose.drop_title') }),
    h('span', {
      class: 'drop-hint',
      text: t('imports.choose.drop_hint'),
    }),
    h('span', { class: 'button button-primary', 'aria-hidden': 'true', text: t('imports.choose.choose_file') }),
  );
}

/** Open the system's file dialog and upload what is chosen. Browsers only allow it during a click. */
export const pickFiles = () => openFileDialog(true, uploadChosen);

/**
 * Open the system's file dialog for one file. Browsers only allow it during a click.
 * @param {(file: File) => void} onChosen
 */
export const pickFile = (onChosen) => openFileDialog(false, ({ files }) => files?.[0] && onChosen(files[0]));

/**
 * @param {boolean} multiple
 * @param {(input: HTMLInputElement) => unknown} onChange
 */
function openFileDialog(multiple, onChange) {
  const input = h('input', { type: 'file', multiple, accept: ACCEPT, hidden: true });
  input.addEventListener('change', () => {
    onChange(input);
    input.remove();
  });
  input.addEventListener('cancel', () => input.remove());
  document.body.append(input);
  input.click();
}

/** @param {HTMLInputElement} input */
function uploadChosen(input) {
  uploadFiles([...(input.files ?? [])]);
  // Without this, choosing the same file again would not fire "change".
  input.value = '';
}

/** Accept files that are dropped anywhere on the page, on every screen. */
export function installPageDrop() {
  const overlay = h(
    'div',
    { class: 'drop-overlay', hidden: true, 'aria-hidden': 'true' },
    h('div', { class: 'drop-overlay-text' }, icon('upload'), h('span', { text: t('imports.choose.drop_anywhere') })),
  );
  document.body.append(overlay);
  // Once it is updated, the server does not have this library any more. A failure shows when a file is uploaded.
  loadTransferLibrary().catch(() => {});
  window.addEventListener('hashchange', () => pathOf(window.location.hash) !== refusedOn && clearBanner(CHECK_BANNER));
  // The number of nested elements that the pointer has entered and not left.
  let depth = 0;
  /** @param {number} newDepth */
  const setDepth = (newDepth) => {
    depth = Math.max(0, newDepth);
    overlay.hidden = depth === 0;
  };
  onFileDrag('dragenter', () => setDepth(depth + 1));
  onFileDrag('dragleave', () => setDepth(depth - 1));
  onFileDrag('dragover', (transfer) => {
    transfer.dropEffect = 'copy';
  });
  onFileDrag('drop', (transfer) => {
    setDepth(0);
    closeDialogs();
    uploadDropped(transfer);
  });
}

/**
 * Handle a drag event, but only if files are dragged, not text or a link.
 * @param {'dragenter' | 'dragleave' | 'dragover' | 'drop'} type
 * @param {(transfer: DataTransfer) => void} handler
 */
function onFileDrag(type, handler) {
  window.addEventListener(type, (event) => {
    const transfer = event.dataTransfer;
    if (!transfer?.types.includes('Files') || !may('imports:write')) return;
    event.preventDefault();
    handler(transfer);
  });
}

/** @param {DataTransfer} transfer */
function uploadDropped(transfer) {
  const entries = [...transfer.items].filter((item) => item.kind === 'file').map((item) => item.webkitGetAsEntry());
  const folderNames = new Set(entries.flatMap((entry) => (entry?.isDirectory ? [entry.name] : [])));
  uploadFiles(
    [...transfer.files].filter((file) => !folderNames.has(file.name)),
    [...folderNames],
  );
}

/**
 * Upload the files that have no problem, and show the problems of the others.
 * @param {File[]} files
 * @param {string[]} [folderNames] folders that were dropped with the files
 */
function uploadFiles(files, folderNames = []) {
  const problems = folderNames.map((name) => ({
    title: t('imports.choose.folder', { name }),
    detail: t('imports.choose.folder_hint'),
  }));
  /** @type {File[]} */
  const accepted = [];
  for (const file of files) {
    const problem = findFileProblem(file);
    if (problem) problems.push(problem);
    else accepted.push(file);
  }
  refusedOn = pathOf(window.location.hash);
  const selectionProblem = findSelectionProblem(accepted.length, currentOptions().missing);
  if (selectionProblem) return showBanner({ key: CHECK_BANNER, ...selectionProblem });
  const summary = summarizeProblems(problems, accepted.length);
  if (summary) showBanner({ key: CHECK_BANNER, ...summary });
  else clearBanner(CHECK_BANNER);
  if (!accepted.length) return undefined;
  refusedOn = IMPORT_ADDRESS;
  go(IMPORT_ADDRESS);
  const fields = uploadFields();
  resetMissing();
  return enqueueUploads(accepted, fields);
}

/** @param {string} address */
const pathOf = (address) => address.split('?')[0] ?? '';
