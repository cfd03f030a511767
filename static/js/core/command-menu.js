// The command menu: a combobox with a list of everything that can be done on the page, after the ARIA Authoring
// Practices (combobox with a listbox). The focus stays in the field.

import { currentCommands } from './commands.js';
import { rankCommands, withRecent } from './command-ranking.js';
import { showDialog } from './dialog.js';
import { closestTo, debounce, fill, h, setText } from './dom.js';
import { t } from './i18n.js';
import { icon } from './icons.js';
import { shownKeys } from './key-sequences.js';
import { isMac } from './shortcuts.js';

/** @import { Command } from './commands.js' */
/** @import { Entry, Group } from './command-ranking.js' */
/** @import { Dialog } from './dialog.js' */

/**
 * A source of further results, such as products.
 * @typedef {object} CommandSearch
 * @property {string} title of the group
 * @property {() => boolean} [when]
 * @property {(text: string, signal: AbortSignal) => Promise<Command[]>} search
 */

const STORAGE_KEY = 'recent-commands';
const SEARCH_DELAY_MS = 200;
const LEAST_CHARACTERS = 2;
const PAGE = 8;

/** @type {CommandSearch[]} */
const searches = [];
/** @type {Dialog | null} */
let latestMenu = null;

/**
 * Search something else than commands, too.
 * @param {CommandSearch} search
 */
export const addCommandSearch = (search) => searches.push(search);

/** Open the menu; close it if it is open. Other dialogs come first. */
export function toggleCommandMenu() {
  if (latestMenu?.element.open) latestMenu.close();
  else if (!document.querySelector('dialog[open]')) open();
}

function open() {
  const label = searches.length ? t('core.command.search_all') : t('core.command.search');
  /** @type {Command[]} */
  let shown = [];
  let active = 0;
  /** @type {Group[]} */
  let results = [];
  let isSearching = false;
  /** @type {AbortController | null} */
  let request = null;
  // The dialog that opens now covers the buttons, but not what they can do.
  const commands = currentCommands();
  const list = h('div', {
    class: 'command-list',
    id: 'command-list',
    role: 'listbox',
    'aria-label': t('core.command.commands'),
  });
  const status = h('p', { class: 'visually-hidden', role: 'status' });
  const nothing = h('p', { class: 'command-nothing muted', hidden: true });
  const input = h('input', {
    class: 'command-input',
    type: 'text',
    role: 'combobox',
    placeholder: label,
    'aria-label': label,
    'aria-controls': 'command-list',
    'aria-expanded': 'true',
    'aria-autocomplete': 'list',
    autocomplete: 'off',
    autocapitalize: 'off',
    spellcheck: 'false',
    maxlength: 200,
    data: { testid: 'command-input' },
    on: { input: onInput, keydown: onKey },
  });

  /** @param {number} index */
  function setActive(index) {
    const options = list.querySelectorAll('[role="option"]');
    active = options.length ? (index + options.length) % options.length : 0;
    options.forEach((option, at) => option.setAttribute('aria-selected', String(at === active)));
    const option = options[active];
    if (!option) return input.removeAttribute('aria-activedescendant');
    option.scrollIntoView({ block: 'nearest' });
    return input.setAttribute('aria-activedescendant', option.id);
  }

  function show() {
    const groups = [...rankCommands(commands, input.value, readRecent()), ...results];
    shown = groups.flatMap(({ entries }) => entries.map(({ command }) => command));
    let index = 0;
    fill(
      list,
      groups.map(({ title, entries }, number) =>
        h(
          'div',
          { class: 'command-group', role: 'group', 'aria-labelledby': `command-group-${number}` },
          h('div', { class: 'command-title', id: `command-group-${number}`, role: 'presentation', text: title }),
          entries.map((entry) => createOption(entry, index++)),
        ),
      ),
    );
    nothing.hidden = shown.length > 0;
    setText(nothing, isSearching ? t('core.command.searching') : t('core.command.nothing'));
    setActive(0);
    setText(status, shown.length ? t('core.command.results', { count: shown.length }) : (nothing.textContent ?? ''));
  }

  function onInput() {
    results = [];
    request?.abort();
    isSearching = input.value.trim().length >= LEAST_CHARACTERS && searches.some(({ when }) => !when || when());
    if (isSearching) searchLater();
    show();
  }

  const searchLater = debounce(async () => {
    request = new AbortController();
    const { signal } = request;
    const found = await Promise.all(searches.map((search) => runSearch(search, input.value.trim(), signal)));
    if (signal.aborted) return;
    const chosen = shown[active]?.id;
    isSearching = false;
    results = found.filter(({ entries }) => entries.length);
    show();
    // What arrives later must not change what Enter runs.
    setActive(
      Math.max(
        0,
        shown.findIndex(({ id }) => id === chosen),
      ),
    );
  }, SEARCH_DELAY_MS);

  /** @param {KeyboardEvent} event */
  function onKey(event) {
    if (event.isComposing) return;
    /** @type {Record<string, number>} */
    const targets = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: Math.min(shown.length - 1, active + PAGE),
      PageUp: Math.max(0, active - PAGE),
    };
    const target = targets[event.key];
    if (event.key === 'Enter') choose(active);
    else if (target === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    else setActive(target);
    event.preventDefault();
  }

  /** @param {number} index */
  function choose(index) {
    const command = shown[index];
    if (!command) return;
    writeRecent(command);
    dialog.close();
    command.run();
  }

  /** @param {Event} event */
  const indexOf = (event) => Number(closestTo(event, '[role="option"]')?.dataset.index ?? -1);
  list.addEventListener('click', (event) => choose(indexOf(event)));
  // Only a pointer that moves chooses. One that rests must not take the choice from the keyboard when the list scrolls.
  list.addEventListener('pointermove', (event) => {
    const index = indexOf(event);
    if (index >= 0 && index !== active && (event.movementX || event.movementY)) setActive(index);
  });
  // The focus stays in the field.
  list.addEventListener('mousedown', (event) => event.preventDefault());

  const dialog = showDialog({
    title: t('core.command.menu'),
    content: [h('div', { class: 'command-field' }, icon('search'), input), list, nothing, status],
    footer: h(
      'p',
      { class: 'command-keys muted' },
      [
        ['↑', '↓', t('core.command.to_choose')],
        [t('core.key.enter'), t('core.command.to_run')],
        [t('core.key.escape'), t('core.command.to_close')],
      ].map((keys) =>
        h(
          'span',
          {},
          keys.slice(0, -1).map((text) => h('kbd', { text })),
          ` ${keys.at(-1)}`,
        ),
      ),
    ),
    testid: 'command-menu',
    onClose: () => {
      request?.abort();
      searchLater.cancel();
    },
  });
  dialog.element.classList.add('command-dialog');
  latestMenu = dialog;
  show();
  input.focus();
}

/**
 * @param {Entry} entry
 * @param {number} index
 */
function createOption({ command, found }, index) {
  const [shortcut] = command.shortcuts ?? [];
  return h(
    'div',
    {
      class: 'command',
      id: `command-${index}`,
      role: 'option',
      'aria-selected': 'false',
      data: { index: String(index), testid: 'command', command: command.id },
    },
    icon(command.shape ?? 'next'),
    h('span', { class: 'command-label', dir: 'auto' }, markLetters(command.label, found)),
    shortcut
      ? h(
          'span',
          { class: 'command-shortcut', 'aria-hidden': 'true' },
          shownKeys(shortcut, isMac()).map((key) => h('kbd', { text: key })),
        )
      : null,
  );
}

/**
 * @param {string} label
 * @param {number[]} found
 */
function markLetters(label, found) {
  const letters = new Set(found);
  /** @type {{text: string, isMarked: boolean}[]} */
  const parts = [];
  for (let index = 0; index < label.length; index += 1) {
    const isMarked = letters.has(index);
    const last = parts.at(-1);
    if (last?.isMarked === isMarked) last.text += label.charAt(index);
    else parts.push({ text: label.charAt(index), isMarked });
  }
  return parts.map(({ text, isMarked }) => (isMarked ? h('mark', { text }) : text));
}

/**
 * @param {CommandSearch} search
 * @param {string} text
 * @param {AbortSignal} signal
 * @returns {Promise<Group>}
 */
async function runSearch({ title, when, search }, text, signal) {
  /** @type {Command[]} */
  let found = [];
  try {
    if (!when || when()) found = await search(text, signal);
  } catch {
    // The commands are useful without it, and the page reports a lost connection elsewhere.
  }
  return { title, entries: found.map((command) => ({ command, found: [] })) };
}

/** @returns {string[]} */
function readRecent() {
  try {
    const ids = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? '[]');
    return Array.isArray(ids) ? ids.filter((id) => typeof id === 'string') : [];
  } catch {
    return [];
  }
}

/** @param {Command} command */
function writeRecent({ id }) {
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(withRecent(readRecent(), id)));
  } catch {
    // Storage may be blocked. Nothing is recent then.
  }
}
