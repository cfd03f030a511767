// Hears of changes, of the catalogue or of webhooks, while the page is in view: from the server's stream, or by asking now and then where there is none.

import { takeStreamSlot } from './stream-slots.js';

const WITHOUT_STREAM_MS = 15_000;

/** @param {() => void} onChanged products may have changed @returns {() => void} stops it */
export const followCatalogue = (onChanged) => follow('/api/products/changes', onChanged);

/** @param {() => void} onChanged webhooks or their deliveries may have changed @returns {() => void} stops it */
export const followWebhooks = (onChanged) => follow('/api/webhooks/changes', onChanged);

function follow(address, onChanged) {
  let source = null;
  let releaseSlot = null;
  let timer = 0;
  let opening = false;
  let stopped = false;

  const isInView = () => !stopped && document.visibilityState === 'visible';

  async function open() {
    if (source || opening || !isInView()) return;
    opening = true;
    const release = await takeStreamSlot();
    opening = false;
    if (!release) return askLater();
    if (!isInView()) return release();
    releaseSlot = release;
    source = new EventSource(address);
    // What happened before, also between the list's answer and this moment, is not told again.
    source.addEventListener('open', onChanged);
    source.addEventListener('changed', onChanged);
    source.addEventListener('error', () => {
      // CONNECTING: the browser comes back by itself. CLOSED: refused.
      if (source?.readyState !== EventSource.CLOSED) return;
      close();
      askLater();
    });
    return undefined;
  }

  function askLater() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (!isInView()) return;
      onChanged();
      open();
    }, WITHOUT_STREAM_MS);
  }

  function close() {
    clearTimeout(timer);
    source?.close();
    source = null;
    releaseSlot?.();
    releaseSlot = null;
  }

  const followIfInView = () => {
    if (!isInView()) return close();
    onChanged();
    return open();
  };
  document.addEventListener('visibilitychange', followIfInView);
  window.addEventListener('pagehide', close);
  window.addEventListener('pageshow', open);
  open();
  return () => {
    stopped = true;
    close();
    document.removeEventListener('visibilitychange', followIfInView);
    window.removeEventListener('pagehide', close);
    window.removeEventListener('pageshow', open);
  };
}
