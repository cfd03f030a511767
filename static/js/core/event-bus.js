// The one way in which modules notify each other: typed signals.

/**
 * @template T
 * @typedef {object} Signal
 * @property {(value: T) => void} emit Call every subscriber with the value, in the order of their subscription.
 * @property {(listener: (value: T) => void) => () => void} subscribe Add a listener and return a function that removes
 *   it.
 * @property {() => number} count Return the number of subscribers.
 */

/**
 * Create a signal.
 *
 * A listener that is removed while the signal is emitted is not called any more, and one that is added is called from
 * the next `emit` on. An error in a listener is reported as an uncaught error and does not stop the others.
 *
 * @template [T=void]
 * @returns {Signal<T>}
 */
export function createSignal() {
  /** @type {Set<{listener: (value: T) => void}>} */
  const subscriptions = new Set();

  /** @param {(value: T) => void} listener */
  function subscribe(listener) {
    // Each subscription is a new object, so that the same function can subscribe twice.
    const subscription = { listener };
    subscriptions.add(subscription);
    return () => {
      subscriptions.delete(subscription);
    };
  }

  /** @param {T} value */
  function emit(value) {
    for (const subscription of [...subscriptions]) {
      if (!subscriptions.has(subscription)) continue;
      try {
        subscription.listener(value);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  return { emit, subscribe, count: () => subscriptions.size };
}
