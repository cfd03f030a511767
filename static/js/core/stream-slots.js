// Browsers open at most six connections to one HTTP/1.1 server, over all tabs together. Streams stay open, so too
// many of them would leave none for requests. Web Locks count them across tabs.

const SLOTS_OVER_ALL_TABS = 4;
const SLOTS_WITHOUT_LOCKS = 2;

let takenHere = 0;

/**
 * Asks for permission to hold one stream open.
 * @returns {Promise<(() => void)|null>} gives the slot back; null when all are taken
 */
export async function takeStreamSlot() {
  if (!navigator.locks) return takeLocally();
  for (let slot = 0; slot < SLOTS_OVER_ALL_TABS; slot += 1) {
    const release = await tryLock(`progress-stream-${slot}`);
    if (release) return release;
  }
  return null;
}

function tryLock(name) {
  return new Promise((resolve) => {
    navigator.locks.request(name, { ifAvailable: true }, (lock) => {
      if (!lock) return resolve(null);
      // The lock lasts until this promise settles, and no longer than the tab.
      return new Promise((release) => resolve(release));
    }).catch(() => resolve(null));
  });
}

// Locks exist only in secure contexts; a plain http:// address of another host has none.
function takeLocally() {
  if (takenHere >= SLOTS_WITHOUT_LOCKS) return null;
  takenHere += 1;
  return () => { takenHere -= 1; };
}
