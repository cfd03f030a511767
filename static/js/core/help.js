// The help dialog and the keyboard shortcuts it lists.

import { openDialog } from './dialog.js';
import { h } from './dom.js';
import { t } from './i18n.js';

/** @typedef {[keys: string[], text: string]} Shortcut */

/** @type {Shortcut[]} */
const SHORTCUTS = [
  [['/'], t('core.help.search_products')],
  [['n'], t('core.help.new_product')],
  [[t('core.key.ctrl'), 'Z'], t('core.help.undo')],
  [[t('core.key.ctrl'), t('core.key.shift'), 'Z'], t('core.help.redo')],
  [['?'], t('core.help.show_help')],
  [[t('core.key.escape')], t('core.help.leave')],
];

/** @type {Shortcut[]} */
const GRID_SHORTCUTS = [
  [['←', '↑', '↓', '→'], t('core.help.move')],
  [[t('core.key.home'), t('core.key.end')], t('core.help.ends')],
  [[t('core.key.enter'), 'F2'], t('core.help.edit')],
  [[t('core.key.enter')], t('core.help.save')],
  [[t('core.key.tab')], t('core.help.save_and_next')],
  [[t('core.key.shift'), t('core.key.enter')], t('core.help.new_line')],
  [[t('core.key.space')], t('core.help.select_row')],
  [['o'], t('core.help.open_product')],
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
    shortcutList(SHORTCUTS),
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

/**
 * Handle the shortcuts of the whole page. "?" opens the help everywhere.
 * @param {Record<string, () => void>} actions by key
 */
export function installShortcuts(actions) {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (isTyping(event) || document.querySelector('dialog[open]')) return;
    const action = event.key === '?' ? openHelp : actions[event.key];
    if (!action) return;
    action();
    event.preventDefault();
  });
}

const TYPING_FIELDS = `[contenteditable], textarea, select,
  input:not([type="radio"], [type="checkbox"], [type="file"], [type="button"])`;

/** @param {Event} event */
const isTyping = (event) => event.target instanceof Element && event.target.matches(TYPING_FIELDS);
