// Messages of the server quote values, columns and options in backticks. The page shows these parts as code, and counts
// down the seconds of a wait.

import { countdownContent } from './countdown.js';

/** Two backticks with something between them. */
const QUOTED = /`([^`]+)`/g;

/**
 * Return the content of an element that shows a message: its text, with the quoted parts as code.
 * @param {string} message
 * @returns {(string | HTMLElement)[]}
 */
export function messageContent(message) {
  // The odd parts are those that the pattern captures.
  return message.split(QUOTED).flatMap((part, index) => (index % 2 ? quotedPart(part) : countdownContent(part)));
}

/**
 * Return a message as plain text, for announcements and attributes.
 * @param {string} message
 */
export const plainMessage = (message) => message.replace(QUOTED, '“$1”');

/** @type {WeakMap<Element, string>} */
const shown = new WeakMap();

/**
 * Show a message in an element. The same message is not shown again, so that screen readers and selections are left
 * alone.
 * @param {Element} element
 * @param {string} message
 */
export function showMessage(element, message) {
  if (shown.get(element) === message && element.textContent === message.replace(QUOTED, '$1')) return;
  shown.set(element, message);
  element.replaceChildren(...messageContent(message));
}

/** @param {string} text */
function quotedPart(text) {
  const code = document.createElement('code');
  code.className = 'quoted';
  code.dir = 'auto';
  code.textContent = text;
  return code;
}
