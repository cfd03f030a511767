// Runs the command whose shortcut is pressed. People may switch the shortcuts of single keys off.

import { currentCommands } from './commands.js';
import { closestTo } from './dom.js';
import { createKeySequences, nameOfPress } from './key-sequences.js';

const STORAGE_KEY = 'single-key-shortcuts';
const TYPING_FIELDS = `[contenteditable], textarea, select,
  input:not([type="radio"], [type="checkbox"], [type="file"], [type="button"])`;

let areSingleKeysOff = stored() === 'off';

export const isMac = () => /mac|iphone|ipad/i.test(navigator.userAgent);

/** Return whether shortcuts without Ctrl or Cmd work. */
export const usesSingleKeys = () => !areSingleKeysOff;

/** @param {boolean} wanted */
export function setSingleKeys(wanted) {
  areSingleKeysOff = !wanted;
  try {
    localStorage.setItem(STORAGE_KEY, wanted ? 'on' : 'off');
  } catch {
    // Storage may be blocked. The choice then lasts until the page is closed.
  }
}

/** Run commands by their shortcuts from now on. */
export function installShortcuts() {
  const sequences = createKeySequences();
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.isComposing || event.repeat) return;
    const name = nameOfPress(event);
    if (!name.startsWith('mod+') && areSingleKeysOff) return;
    const isTyping = closestTo(event, TYPING_FIELDS) !== null;
    const isDialogOpen = document.querySelector('dialog[open]') !== null;
    // The keys of an open menu belong to it.
    if (
      !name.startsWith('mod+') &&
      (isTyping || isDialogOpen || document.querySelector('[role="menu"]:popover-open'))
    ) {
      return;
    }
    const commands = currentCommands().filter(
      ({ isInFields, isInDialogs }) => (!isTyping || isInFields) && (!isDialogOpen || isInDialogs),
    );
    const shortcut = sequences.press(
      name,
      commands.flatMap(({ shortcuts }) => shortcuts ?? []),
      event.timeStamp,
    );
    if (shortcut) {
      commands.find(({ shortcuts }) => shortcuts?.includes(shortcut))?.run();
      event.preventDefault();
    }
  });
}

function stored() {
  try {
    return localStorage.getItem(STORAGE_KEY);
  } catch {
    return null;
  }
}
