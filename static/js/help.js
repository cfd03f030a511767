// The help dialog and the keyboard shortcuts it lists.

import { h } from './dom.js';
import { openDialog } from './dialog.js';

const SHORTCUTS = [
  ['/', 'Search the products'],
  ['?', 'Show this help'],
  ['Esc', 'Close a dialog, clear the search'],
];

const COLUMNS = [
  ['sku', 'Required. Tells products apart; upper and lower case are the same.'],
  ['name', 'Optional, up to 500 characters.'],
  ['description', 'Optional.'],
  ['active', 'Optional, true or false. New products are active without it.'],
];

/** Opens the help, once. */
export function openHelp() {
  if (document.querySelector('dialog[open]')) return;
  openDialog('Help',
    h('h3', { text: 'Keyboard' }),
    h('dl', { class: 'help-list' }, SHORTCUTS.map(([key, text]) => [h('dt', {}, h('kbd', { text: key })), h('dd', { text })])),
    h('h3', { text: 'Columns of a file' }),
    h('dl', { class: 'help-list' }, COLUMNS.map(([name, text]) => [h('dt', {}, h('code', { text: name })), h('dd', { text })])),
    h('p', { class: 'muted', text: 'The header row may have any order and case. When a SKU comes twice in a file, its last row counts. '
      + 'A column the file does not have stays as it is on existing products.' }));
}

/**
 * Listens for the shortcuts.
 * @param {{search: () => void}} actions
 */
export function installShortcuts({ search }) {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (isTyping(event.target) || document.querySelector('dialog[open]')) return;
    if (event.key === '/') search();
    else if (event.key === '?') openHelp();
    else return;
    event.preventDefault();
  });
}

function isTyping(target) {
  if (target.isContentEditable || target.tagName === 'TEXTAREA' || target.tagName === 'SELECT') return true;
  return target.tagName === 'INPUT' && !['radio', 'checkbox', 'file', 'button'].includes(target.type);
}
