// Notifications about changes of the catalogue or of webhooks, and about new jobs, while the page is visible. They come
// from the stream that all tabs share, or from a timer while there is none.

import { liveEvents } from './live-events.js';

const WITHOUT_STREAM_MS = 15_000;

/**
 * Call `onChanged` when the server reports a change, and when changes may have been missed.
 * @param {'products' | 'webhooks' | 'jobs'} topic
 * @param {() => void} onChanged
 * @returns {() => void} a function that stops it
 */
export function followChanges(topic, onChanged) {
  const reportIfInView = () => liveEvents.isActive && onChanged();
  const follower = liveEvents.follow(topic, { onEvent: reportIfInView, onCovered: reportIfInView });
  const stopActivated = liveEvents.activated.subscribe(onChanged);
  const timer = setInterval(() => liveEvents.isCovered(topic) || reportIfInView(), WITHOUT_STREAM_MS);
  return () => {
    clearInterval(timer);
    stopActivated();
    follower.stop();
  };
}
