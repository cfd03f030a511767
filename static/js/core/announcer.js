// Speaks to screen readers, sparingly: a progress that is read out every half second helps nobody.

import { setText } from './dom.js';

const MIN_GAP_MS = 5_000;
const MIN_STEP_PERCENT = 10;

/** @param {string} text is read out once the reader is idle */
export function announce(text) {
  setText(document.getElementById('announcer'), text);
}

/**
 * Makes an announcer for one running thing.
 * @returns {(percent: number, text: string, important?: boolean) => void} call it on every change; it decides what is worth saying
 */
export function progressAnnouncer() {
  let lastTime = 0;
  let lastPercent = -MIN_STEP_PERCENT;
  return (percent, text, important = false) => {
    const now = Date.now();
    const due = now - lastTime >= MIN_GAP_MS && percent - lastPercent >= MIN_STEP_PERCENT;
    if (!important && !due) return;
    lastTime = now;
    lastPercent = percent;
    announce(text);
  };
}
