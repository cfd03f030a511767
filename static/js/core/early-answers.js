// The answers to the requests that the page sends before its modules have arrived (static/js/early.js). They are for
// the first screen only.

/**
 * Return the answer to an early request, once.
 * @param {string} address
 * @returns {Promise<Answer> | undefined} undefined if the address was not requested early
 */
export function takeEarlyAnswer(address) {
  // Node.js, which runs the tests, has no window.
  const answers = globalThis.window?.earlyAnswers;
  const answer = answers?.get(address);
  answers?.delete(address);
  return answer;
}

/** Forget the answers that nobody has taken. From now on they may be outdated. */
export function dropEarlyAnswers() {
  window.earlyAnswers?.clear();
}
