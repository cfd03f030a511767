// Track whether the server is reachable. While it is not, a banner says so, and probes detect when it is back.

import { clearBanner, showBanner } from './banner.js';
import { createSignal } from './event-bus.js';
import { t } from './i18n.js';
import { setServerTime, startClock, stopClock } from './server-clock.js';

const BANNER_KEY = 'connection';
const FIRST_PROBE_MS = 1_000;
const SLOWEST_PROBE_MS = 10_000;
const PROBE_TIMEOUT_MS = 8_000;

let reachable = true;
let timer = 0;
let delayMs = FIRST_PROBE_MS;

/** Return whether the server is reachable: false after a request without an answer, until the next answer. */
export const isReachable = () => reachable;

/**
 * The server answers again after requests had failed.
 * @type {import('./event-bus.js').Signal<void>}
 */
export const reconnected = createSignal();

/** Report that a request got no answer. */
export function reportUnreachable() {
  if (!reachable) return;
  reachable = false;
  stopClock();
  delayMs = FIRST_PROBE_MS;
  showBanner({
    key: BANNER_KEY,
    tone: 'warning',
    title: t('core.connection.lost'),
    detail: t('core.connection.import_goes_on'),
    action: { label: t('core.connection.retry'), run: probe },
    dismissible: false,
  });
  schedule();
}

/** Report that a request got an answer. */
export function reportReachable() {
  if (reachable) return;
  reachable = true;
  startClock();
  clearTimeout(timer);
  clearBanner(BANNER_KEY);
  reconnected.emit();
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
    // Our server answers 503 in JSON while one of its parts is down. A gateway in front of it answers in HTML.
    const ours = (answer.headers.get('content-type') ?? '').includes('json');
    if (ours) setServerTime(answer.headers.get('Date'));
    if (ours || answer.status < 502) return reportReachable();
  } catch {
    // The server is still unreachable.
  }
  return schedule();
}
