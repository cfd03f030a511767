// The help dialog.

import { commandsWithShortcuts } from './commands.js';
import { openDialog } from './dialog.js';
import { h } from './dom.js';
import { shownKeys } from './key-sequences.js';
import { isMac, setSingleKeys, usesSingleKeys } from './shortcuts.js';

/** @typedef {[keys: string[], text: string]} Shortcut */

/** @type {Shortcut[]} */
const GRID_SHORTCUTS = [
  [['←', '↑', '↓', '→'], 'Move between the cells'],
  [['Home', 'End'], 'First and last cell; with Ctrl first and last row'],
  [['Enter', 'F2'], 'Edit the cell; double click does the same'],
  [['Enter'], 'In an editor: save'],
  [['Tab'], 'In an editor: save and go to the next cell'],
  [['Shift', 'Enter'], 'In a description: new line'],
  [['Space'], 'Select the row; with Shift, all rows from the last selected one'],
  [
    ['Shift', '←', '↑', '↓', '→'],
    'Select a block of cells; Shift+click and dragging do the same, Ctrl+A takes the page',
  ],
  [['Ctrl', 'C'], 'Copy the block or the cell, also for spreadsheets; Ctrl+X clears it, too'],
  [['Ctrl', 'V'], 'Paste cells, also from spreadsheets; one copied cell fills the whole block'],
  [['Delete'], 'Clear the names and descriptions of the block'],
  [['o'], 'Open the product'],
  [['Alt', '↑', '↓'], 'In the dialog of a product: previous and next product of the list'],
  [['←', '→'], 'On the border of a heading: change the width of its column; Enter or a double click fits it'],
];

const SEARCHES = [
  ['blue lamp', 'Both words, in any order, anywhere in the SKU, the name and the description.'],
  ['"blue lamp"', 'The text in quotes as it stands, with its spaces.'],
  ['lamp -wood', 'The first word, but not the second one. A text in quotes can be left out, too.'],
  ['"-10"', 'In quotes, a minus is part of the text.'],
];

const COLUMNS = [
  ['sku', 'Required. Identifies the product; upper and lower case are the same.'],
  ['name', 'Optional, up to 500 characters. A blank cell makes it empty.'],
  ['description', 'Optional. A blank cell makes it empty.'],
  ['active', 'Optional, true or false. A blank cell leaves it as it is. New products are active without it.'],
];

/** Open the help, unless a dialog is open already. */
export function openHelp() {
  if (document.querySelector('dialog[open]')) return;
  openDialog(
    'Help',
    h('h3', { text: 'Keyboard' }),
    shortcutList(pageShortcuts()),
    singleKeySwitch(),
    h('h3', { text: 'In the table of products' }),
    shortcutList(GRID_SHORTCUTS),
    h('h3', { text: 'Searching the products' }),
    codeList(SEARCHES),
    h('p', {
      class: 'muted',
      text:
        'Upper and lower case are the same, and parts of words count. All characters but quotes and a minus before a ' +
        'word are plain. The filter of a single field finds products with all of its words in that field; there, a ' +
        'minus is plain, too.',
    }),
    h('h3', { text: 'Columns of a file' }),
    codeList(COLUMNS),
    h('p', {
      class: 'muted',
      text:
        'The header row may have any order and case, and other names for these columns: the check shows what was ' +
        'recognised, and lets you choose. When a SKU comes twice in a file, its last row counts. ' +
        'A column the file does not have stays as it is on existing products.',
    }),
  );
}

/** @param {string[][]} entries each a code and its meaning */
function codeList(entries) {
  return h(
    'dl',
    { class: 'help-list' },
    entries.map(([code, text]) => [h('dt', {}, h('code', { text: code })), h('dd', { text })]),
  );
}

/** @param {Shortcut[]} shortcuts */
function shortcutList(shortcuts) {
  return h(
    'dl',
    { class: 'help-list' },
    shortcuts.map(([keys, text]) => [
      h(
        'dt',
        { class: 'help-keys' },
        keys.map((key) => h('kbd', { text: key })),
      ),
      h('dd', { text }),
    ]),
  );
}

/** @returns {Shortcut[]} the shortcuts of all commands of the role, and the keys that close something */
const pageShortcuts = () => [
  ...commandsWithShortcuts().map(({ shortcuts: [first = ''] = [], help, label }) => {
    /** @type {Shortcut} */
    const entry = [shownKeys(first, isMac()), help ?? label];
    return entry;
  }),
  [['Esc'], 'Leave an editor, a dialog, a selection or the search'],
];

// Some people type with their voice or hit keys by mistake (WCAG 2.1.4).
function singleKeySwitch() {
  /** @type {HTMLInputElement} */
  const input = h('input', {
    class: 'switch-input',
    type: 'checkbox',
    role: 'switch',
    id: 'single-keys',
    checked: usesSingleKeys(),
    data: { testid: 'single-keys' },
    on: { change: () => setSingleKeys(input.checked) },
  });
  return h(
    'div',
    { class: 'field-line help-switch' },
    input,
    h('label', { for: input.id, text: 'Use the shortcuts without Ctrl or Cmd' }),
  );
}
