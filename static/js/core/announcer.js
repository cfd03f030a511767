// Announcements for screen readers. Progress is announced rarely: a new value every half second would be a nuisance.

import { elementById, setText } from './dom.js';
import { plainMessage } from './message-text.js';

const MIN_GAP_MS = 5_000;
const MIN_STEP_PERCENT = 10;

/**
 * Announce a text once the screen reader is idle.
 * @param {string} text
 */
export function announce(text) {
  setText(elementById('announcer'), plainMessage(text));
}

/**
 * Create an announcer for one job or upload. Call it on every change: it announces important changes and otherwise
 * keeps `MIN_GAP_MS` and `MIN_STEP_PERCENT` between two announcements.
 * @returns {(percent: number, text: string, isImportant?: boolean) => void}
 */
export function progressAnnouncer() {
  let lastTime = 0;
  let lastPercent = -MIN_STEP_PERCENT;
  return (percent, text, isImportant = false) => {
    const now = Date.now();
    const isDue = now - lastTime >= MIN_GAP_MS && percent - lastPercent >= MIN_STEP_PERCENT;
    if (!isImportant && !isDue) return;
    lastTime = now;
    lastPercent = percent;
    announce(text);
  };
}
