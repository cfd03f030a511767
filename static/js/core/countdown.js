// "Try again in 42 seconds." counts down wherever a message has this sentence, in the language of the page.

import { t } from './i18n.js';

const TICK_MS = 1_000;

/** The sentence in a message of the server. */
const SERVER_SENTENCE = /Try again in [\d,]+ seconds?\./;

/** @type {Map<string, number>} when the wait of a sentence ends */
const deadlines = new Map();
/** @type {Map<HTMLElement, number>} */
const running = new Map();
let timer = 0;

/**
 * Return a message with the sentence that says how long to wait, from now on. It replaces the one of the server.
 * @param {string} message
 * @param {number} seconds
 */
export function withCountdown(message, seconds) {
  const sentence = sentenceOf(seconds);
  // The same sentence may have been shown for an earlier wait; elements that show it keep their own deadline.
  deadlines.set(sentence, Date.now() + seconds * 1000);
  return [message.replace(SERVER_SENTENCE, '').trim(), sentence].join(' ');
}

/**
 * Return the content of a text, in which the sentence counts down if a wait has started with it.
 * @param {string} text
 * @returns {(string | HTMLElement)[]}
 */
export function countdownContent(text) {
  const sentence = [...deadlines.keys()].find((key) => text.includes(key));
  if (sentence === undefined) return [text];
  const [before = '', ...after] = text.split(sentence);
  return [before, countdownElement(sentence), after.join(sentence)];
}

/** @param {string} sentence with which a wait has started */
function countdownElement(sentence) {
  const deadline = deadlines.get(sentence) ?? 0;
  const element = document.createElement('span');
  element.className = 'tabular';
  // Screen readers read the sentence with its message, but not again every second.
  element.setAttribute('role', 'timer');
  element.setAttribute('aria-live', 'off');
  element.dataset.testid = 'countdown';
  running.set(element, deadline);
  show(element, deadline);
  timer ||= setInterval(tick, TICK_MS);
  return element;
}

function tick() {
  for (const [element, deadline] of running) show(element, deadline);
  if (running.size) return;
  clearInterval(timer);
  timer = 0;
}

/**
 * @param {HTMLElement} element
 * @param {number} deadline
 */
function show(element, deadline) {
  const seconds = Math.ceil((deadline - Date.now()) / 1000);
  element.textContent = seconds > 0 ? sentenceOf(seconds) : t('core.countdown.now');
  if (seconds <= 0) running.delete(element);
}

/** @param {number} seconds */
const sentenceOf = (seconds) => t('core.countdown.wait', { count: seconds });
