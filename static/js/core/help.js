// The help dialog.

import { commandsWithShortcuts } from './commands.js';
import { openDialog } from './dialog.js';
import { h } from './dom.js';
import { t } from './i18n.js';
import { shownKeys } from './key-sequences.js';
import { isMac, setSingleKeys, usesSingleKeys } from './shortcuts.js';

/** @typedef {[keys: string[], text: string]} Shortcut */

/** @type {Shortcut[]} */
const GRID_SHORTCUTS = [
  [['←', '↑', '↓', '→'], t('core.help.move')],
  [[t('core.key.home'), t('core.key.end')], t('core.help.ends')],
  [[t('core.key.enter'), 'F2'], t('core.help.edit')],
  [[t('core.key.enter')], t('core.help.save')],
  [[t('core.key.tab')], t('core.help.save_and_next')],
  [[t('core.key.shift'), t('core.key.enter')], t('core.help.new_line')],
  [[t('core.key.space')], t('core.help.select_row')],
  [[t('core.key.shift'), '←', '↑', '↓', '→'], t('core.help.select_block')],
  [[t('core.key.ctrl'), 'C'], t('core.help.copy')],
  [[t('core.key.ctrl'), 'V'], t('core.help.paste')],
  [[t('core.key.delete')], t('core.help.clear')],
  [['o'], t('core.help.open_product')],
  [[t('core.key.alt'), '↑', '↓'], t('core.help.neighbours')],
  [['←', '→'], t('core.help.width')],
];

const SEARCHES = [
  [t('core.help.example_words'), t('core.help.both_words')],
  [t('core.help.example_quoted'), t('core.help.quoted')],
  [t('core.help.example_excluded'), t('core.help.excluded')],
  ['"-10"', t('core.help.minus')],
];

const COLUMNS = [
  ['sku', t('core.help.column_sku')],
  ['name', t('core.help.column_name')],
  ['description', t('core.help.column_description')],
  ['active', t('core.help.column_active')],
];

/** Open the help, unless a dialog is open already. */
export function openHelp() {
  if (document.querySelector('dialog[open]')) return;
  openDialog(
    t('page.help'),
    h('h3', { text: t('core.help.keyboard') }),
    shortcutList(pageShortcuts()),
    singleKeySwitch(),
    h('h3', { text: t('core.help.grid') }),
    shortcutList(GRID_SHORTCUTS),
    h('h3', { text: t('core.help.searching') }),
    codeList(SEARCHES),
    h('p', {
      class: 'muted',
      text: t('core.help.search_rules'),
    }),
    h('h3', { text: t('core.help.columns') }),
    codeList(COLUMNS),
    h('p', {
      class: 'muted',
      text: t('core.help.column_rules'),
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
  [[t('core.key.escape')], t('core.help.leave')],
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
    h('label', { for: input.id, text: t('core.help.single_keys') }),
  );
}
