// Shortcuts of one key press, such as "n" or "mod+z", or of several in a row, such as "g p".

import { t } from './i18n.js';

/** After this time, the next key begins a new sequence. */
export const SEQUENCE_MS = 2_000;

/** @typedef {Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'shiftKey' | 'altKey'>} KeyPress */

/**
 * Return the name of a key press.
 * @param {KeyPress} press
 * @returns {string} such as "n", "?", "mod+z" or "mod+shift+z"; "" if no shortcut has it
 */
export function nameOfPress({ key, ctrlKey, metaKey, shiftKey, altKey }) {
  if (altKey || (ctrlKey && metaKey) || [' ', 'Control', 'Meta', 'Shift', 'Alt', 'Dead'].includes(key)) return '';
  // Shift is part of the key itself, as in "?".
  if (!ctrlKey && !metaKey) return key;
  return `mod+${shiftKey ? 'shift+' : ''}${key.toLowerCase()}`;
}

/**
 * Create the recognition of sequences.
 * @returns {{press: (name: string, shortcuts: string[], nowMs: number) => string | null}} `press` returns the shortcut
 *   that a key press completes
 */
export function createKeySequences() {
  let pending = '';
  let pressedAt = 0;
  return {
    press(name, shortcuts, nowMs) {
      if (nowMs - pressedAt > SEQUENCE_MS) pending = '';
      const sequences = pending ? [`${pending} ${name}`, name] : [name];
      pending = '';
      if (!name) return null;
      for (const sequence of sequences) {
        if (shortcuts.includes(sequence)) return sequence;
        if (shortcuts.some((shortcut) => shortcut.startsWith(`${sequence} `))) {
          pending = sequence;
          pressedAt = nowMs;
          return null;
        }
      }
      return null;
    },
  };
}

/**
 * Return the keys of a shortcut as people know them.
 * @param {string} shortcut
 * @param {boolean} isMac
 * @returns {string[]} such as ["Ctrl", "Z"] or ["g", "p"]
 */
export const shownKeys = (shortcut, isMac) =>
  shortcut.split(' ').flatMap((press) => {
    const parts = press.split(/\+(?=.)/);
    if (parts.length === 1) return parts;
    /** @type {Record<string, string | undefined>} */
    const names = { mod: isMac ? '⌘' : t('core.key.ctrl'), shift: t('core.key.shift') };
    return parts.map((part) => names[part] ?? part.toUpperCase());
  });

/**
 * Return a shortcut as the attribute aria-keyshortcuts has it. Sequences have no form there.
 * @param {string} shortcut
 * @param {boolean} isMac
 */
export const ariaKeys = (shortcut, isMac) =>
  // eslint-disable-next-line page/no-untranslated-text -- names of keys in the attribute
  shortcut.replace('mod', isMac ? 'Meta' : 'Control').replace('shift', 'Shift');
