// Notifications about changes of the catalogue or of webhooks while the page is visible. They come from a stream of the
// server, or from a timer if no stream can be opened.

import { acquireStreamSlot } from './stream-slots.js';

const WITHOUT_STREAM_MS = 15_000;

/**
 * Call `onChanged` when the server reports a change, and when changes may have been missed.
 * @param {string} address of the stream
 * @param {() => void} onChanged
 * @returns {() => void} a function that stops it
 */
export function followChanges(address, onChanged) {
  /** @type {EventSource | null} */
  let source = null;
  /** @type {(() => void) | null} */
  let releaseSlot = null;
  let timer = 0;
  let opening = false;
  let stopped = false;

  const isInView = () => !stopped && document.visibilityState === 'visible';

  async function open() {
    if (source || opening || !isInView()) return;
    opening = true;
    const release = await acquireStreamSlot();
    opening = false;
    if (!release) return void askLater();
    if (!isInView()) return void release();
    releaseSlot = release;
    source = new EventSource(address);
    // The stream does not repeat changes made before it opened, such as those since the page loaded its data.
    source.addEventListener('open', onChanged);
    source.addEventListener('changed', onChanged);
    source.addEventListener('error', () => {
      // CONNECTING: the browser reconnects by itself. CLOSED: the server refused the stream.
      if (source?.readyState !== EventSource.CLOSED) return;
      close();
      askLater();
    });
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
    if (!isInView()) return void close();
    onChanged();
    open();
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
