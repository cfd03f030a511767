// Limit the number of open streams. Browsers open at most six connections to one HTTP/1.1 server, over all tabs
// together, and too many streams would leave none for requests. Web Locks count the streams of all tabs.

const SLOTS_OVER_ALL_TABS = 4;
const SLOTS_WITHOUT_LOCKS = 2;

let localCount = 0;

/**
 * Acquire a slot for one open stream.
 * @returns {Promise<(() => void)|null>} a function that releases the slot; null if none is free
 */
export async function acquireStreamSlot() {
  if (!navigator.locks) return acquireLocally();
  for (let slot = 0; slot < SLOTS_OVER_ALL_TABS; slot += 1) {
    const release = await tryLock(`progress-stream-${slot}`);
    if (release) return release;
  }
  return null;
}

/**
 * @param {string} name
 * @returns {Promise<(() => void)|null>} a function that releases the lock; null if another tab holds it
 */
function tryLock(name) {
  return new Promise((resolve) => {
    navigator.locks
      .request(name, { ifAvailable: true }, (lock) => {
        if (!lock) return void resolve(null);
        // The lock is held until this promise settles, or until the tab closes.
        return new Promise((release) => {
          resolve(() => release(undefined));
        });
      })
      .catch(() => resolve(null));
  });
}

// Web Locks need a secure context, which a plain http:// address of another host is not. There each tab counts its own
// streams.
function acquireLocally() {
  if (localCount >= SLOTS_WITHOUT_LOCKS) return null;
  localCount += 1;
  return () => {
    localCount -= 1;
  };
}
