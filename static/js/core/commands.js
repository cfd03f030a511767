// What can be done on the page now: the actions that screens and buttons have registered, with their shortcuts. The
// command menu lists them, the keyboard runs them, and the help describes their shortcuts.

import { t } from './i18n.js';

/** @import { IconName } from './icons.js' */

/**
 * An action or a destination. `id` is the same each time, so that the menu can show what was used last. Of several
 * commands with one id, the first counts.
 * @typedef {object} Command
 * @property {string} id
 * @property {string} label
 * @property {string} [keywords] other words by which it is found
 * @property {string} [group] heading in the menu; by default that of the screen
 * @property {IconName} [shape]
 * @property {string[]} [shortcuts] such as "n", "g p" or "mod+z"; the help shows the first
 * @property {string} [help] describes the shortcut, if the label does not
 * @property {boolean} [isInFields] whether its shortcuts work in text fields, too
 * @property {boolean} [isInDialogs] whether its shortcuts work while a dialog is open, too
 * @property {() => boolean} [when] whether it can be used now
 * @property {boolean} [isHidden] whether only its shortcut runs it
 * @property {() => unknown} run
 */

export const ROW_GROUP = t('core.command.row');
export const SCREEN_GROUP = t('core.command.screen');

/** @type {Set<() => Command[]>} */
const providers = new Set();
/** @type {WeakMap<Element, Command[]>} */
const offered = new WeakMap();
const OFFERED = 'data-commands';
const ROWS = ':is(main tbody tr, main li)';

/**
 * Register commands. They are asked for each time, so they may depend on the state of the page.
 * @param {() => Command[]} provider returns only commands that the role may use
 * @returns {() => void} a function that removes them
 */
export function provideCommands(provider) {
  providers.add(provider);
  return () => providers.delete(provider);
}

/**
 * Offer what a button does, for as long as it is on the page, visible and enabled.
 * @template {Element} Button
 * @param {Button} button
 * @param {...Command} commands
 * @returns {Button}
 */
export function offer(button, ...commands) {
  offered.set(button, commands);
  button.setAttribute(OFFERED, '');
  return button;
}

/** @returns {Command[]} the commands that can be used now, those of the row with the focus and of the screen first */
export function currentCommands() {
  return unique([...rowCommands(), ...offeredCommands(), ...providedCommands()].filter(({ when }) => !when || when()));
}

/** @returns {Command[]} every command of the role with a shortcut, also those that cannot be used now */
export function commandsWithShortcuts() {
  return unique([...providedCommands(), ...offeredCommands()].filter(({ shortcuts }) => shortcuts?.length));
}

const providedCommands = () => [...providers].flatMap((provider) => provider());

/** @returns {Command[]} */
function offeredCommands() {
  if (typeof document === 'undefined') return [];
  return [...document.querySelectorAll(`[${OFFERED}]`)]
    .filter((button) => button.checkVisibility() && !isDisabled(button))
    .flatMap((button) => offered.get(button) ?? []);
}

/** @returns {Command[]} what the buttons and links of the row with the focus do */
function rowCommands() {
  if (typeof document === 'undefined') return [];
  const row = document.activeElement?.closest(ROWS);
  if (!row) return [];
  const controls = /** @type {HTMLElement[]} */ ([...row.querySelectorAll('button, a')]);
  return controls
    .filter((control) => control.checkVisibility() && !isDisabled(control))
    .map((control) => {
      const label = control.getAttribute('aria-label') ?? control.textContent?.trim() ?? '';
      return { id: `row ${label}`, label, group: ROW_GROUP, run: () => control.click() };
    })
    .filter(({ label }) => label);
}

/** @param {Element} button */
const isDisabled = (button) => button.matches(':disabled, [aria-disabled="true"]');

/** @param {Command[]} commands */
function unique(commands) {
  /** @type {Map<string, Command>} */
  const byId = new Map();
  for (const command of commands) if (!byId.has(command.id)) byId.set(command.id, command);
  return [...byId.values()];
}
