// Which commands the menu shows for a text, and in which order.

import { ROW_GROUP, SCREEN_GROUP } from './commands.js';
import { fuzzyMatch } from './fuzzy.js';
import { t } from './i18n.js';

/** @import { Command } from './commands.js' */

/** @typedef {{command: Command, found: number[]}} Entry `found` are the indexes of the letters of the label to mark. */
/** @typedef {{title: string, entries: Entry[]}} Group */

export const RECENT_GROUP = t('core.command.recent');
const MAX_RECENT = 5;
const MAX_FOUND = 30;
/** What is found by its other words is less likely to be meant. */
const KEYWORD_SHARE = 0.6;
const RECENT_BONUS = 4;

/**
 * Return the groups to show.
 * @param {Command[]} commands those that can be used now
 * @param {string} text that was typed
 * @param {string[]} recent ids, the last one used first
 * @returns {Group[]}
 */
export function rankCommands(commands, text, recent) {
  const shown = commands.filter(({ isHidden }) => !isHidden);
  return text.trim() ? findCommands(shown, text, recent) : listCommands(shown, recent);
}

/**
 * @param {Command[]} commands
 * @param {string[]} recent
 * @returns {Group[]}
 */
function listCommands(commands, recent) {
  const used = recent.flatMap((id) => commands.find((command) => command.id === id) ?? []).slice(0, MAX_RECENT);
  /** @type {Map<string, Command[]>} */
  const groups = new Map([
    [RECENT_GROUP, used],
    [ROW_GROUP, []],
    [SCREEN_GROUP, []],
  ]);
  for (const command of commands) {
    if (used.includes(command)) continue;
    const title = command.group ?? SCREEN_GROUP;
    groups.set(title, [...(groups.get(title) ?? []), command]);
  }
  return [...groups]
    .filter(([, members]) => members.length)
    .map(([title, members]) => ({ title, entries: members.map((command) => ({ command, found: [] })) }));
}

/**
 * @param {Command[]} commands
 * @param {string} text
 * @param {string[]} recent
 * @returns {Group[]}
 */
function findCommands(commands, text, recent) {
  const entries = commands
    .flatMap((command) => {
      const match = matchCommand(command, text);
      if (!match) return [];
      const bonus = recent.includes(command.id) ? RECENT_BONUS : 0;
      return { command, found: match.found, score: match.score + bonus };
    })
    .sort((one, other) => other.score - one.score)
    .slice(0, MAX_FOUND);
  return entries.length ? [{ title: t('core.command.commands'), entries }] : [];
}

/**
 * @param {Command} command
 * @param {string} text
 */
function matchCommand({ label, keywords }, text) {
  const match = fuzzyMatch(text, label);
  if (match || !keywords) return match;
  const other = fuzzyMatch(text, `${label} ${keywords}`);
  return other && { score: other.score * KEYWORD_SHARE, found: other.found.filter((index) => index < label.length) };
}

/**
 * Return the ids after a command was used.
 * @param {string[]} recent
 * @param {string} id
 */
export const withRecent = (recent, id) => [id, ...recent.filter((other) => other !== id)].slice(0, 2 * MAX_RECENT);
