// Calls that arrive while a slow function is running.

/**
 * Wrap a function so that it never runs twice at once: calls while it is running make it run once more afterwards.
 * Without that, frequent notifications would start a slow request again and again, and none would end.
 * @param {() => Promise<unknown>} run
 * @returns {() => Promise<void>}
 */
export function coalesce(run) {
  let isRunning = false;
  let again = false;
  async function call() {
    again = isRunning;
    if (isRunning) return;
    isRunning = true;
    try {
      await run();
    } finally {
      isRunning = false;
      if (again) call();
    }
  }
  return call;
}
