// Knows whether the server can be reached, says so in one banner and notices when it is back.

import { showBanner, clearBanner } from './banner.js';

const BANNER_KEY = 'connection';
const FIRST_PROBE_MS = 1_000;
const SLOWEST_PROBE_MS = 10_000;
const PROBE_TIMEOUT_MS = 8_000;

const events = new EventTarget();
let reachable = true;
let timer = 0;
let delayMs = FIRST_PROBE_MS;

/** @returns {boolean} false between a failed request and the next answer */
export const isReachable = () => reachable;

/**
 * Calls back each time the server has come back.
 * @param {() => void} callback
 * @returns {() => void} stops it
 */
export function onReconnect(callback) {
  events.addEventListener('back', callback);
  return () => events.removeEventListener('back', callback);
}

/** A request got no answer at all. */
export function reportUnreachable() {
  if (!reachable) return;
  reachable = false;
  delayMs = FIRST_PROBE_MS;
  showBanner({
    key: BANNER_KEY,
    tone: 'warning',
    title: 'The server cannot be reached. Retrying…',
    detail: 'An import that is running goes on without this page.',
    action: { label: 'Retry now', run: probe },
    dismissible: false,
  });
  schedule();
}

/** Some request got an answer. */
export function reportReachable() {
  if (reachable) return;
  reachable = true;
  clearTimeout(timer);
  clearBanner(BANNER_KEY);
  events.dispatchEvent(new Event('back'));
}

function schedule() {
  clearTimeout(timer);
  timer = setTimeout(probe, delayMs);
  delayMs = Math.min(SLOWEST_PROBE_MS, delayMs * 2);
}

async function probe() {
  clearTimeout(timer);
  try {
    const answer = await fetch('/api/health', { cache: 'no-store', signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
    // Health answers 503 while a part is down, but then in JSON: that is our server, not a gateway in front of it.
    const ours = (answer.headers.get('content-type') ?? '').includes('json');
    if (ours || answer.status < 502) return reportReachable();
  } catch {
    // Still away.
  }
  return schedule();
}
