// The time by the clock of the server. The clock of this machine may be wrong, so it only measures how time passes.
// While the server is unreachable, both clocks stand still: nothing on the page counts on without news.

/** The header Date has whole seconds, and an answer takes a while. A smaller difference says nothing. */
const MIN_DIFFERENCE_MS = 2_000;

let aheadMs = 0;
/** @type {number | null} */
let stoppedAt = null;

/** Return a time in milliseconds that only compares with other times of this clock. */
export const pageNow = () => stoppedAt ?? Date.now();

/** Return the time of the server in milliseconds, to about two seconds. */
export const serverNow = () => pageNow() + aheadMs;

/**
 * Set the clock by an answer of the server.
 * @param {string | null} date its header Date
 * @param {number} [arrivedAt] when it arrived, in milliseconds
 */
export function setServerTime(date, arrivedAt = Date.now()) {
  const difference = Date.parse(date ?? '') - arrivedAt;
  if (Math.abs(difference - aheadMs) >= MIN_DIFFERENCE_MS) {
    aheadMs = Math.abs(difference) < MIN_DIFFERENCE_MS ? 0 : difference;
  }
}

/** Let the clocks stand still. */
export function stopClock() {
  stoppedAt ??= Date.now();
}

/** Let the clocks go on, with the time that it is now. */
export function startClock() {
  stoppedAt = null;
}
