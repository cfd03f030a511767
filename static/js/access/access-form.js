// A form that sends one call: its button, its error message, and the wait after too many attempts.

import { ApiError, NetworkError, messageOf, nextStep } from '../core/api.js';
import { h, setText } from '../core/dom.js';
import { formatDuration } from '../core/format.js';
import { t } from '../core/i18n.js';
import { messageContent } from '../core/message-text.js';
import { showFieldErrors } from './fields.js';

/** @import { Child } from '../core/dom.js' */
/** @import { Field } from './fields.js' */

const TICK_MS = 1_000;

/**
 * Create a form.
 * @param {object} options
 * @param {string} options.testid
 * @param {string} options.ok label of the button
 * @param {Record<string, Field>} [options.fields] by the name in the API, for error messages
 * @param {Child[]} options.content
 * @param {() => Promise<unknown>} options.run sends the call; what it throws is shown
 * @param {Child} [options.aside] beside the button
 * @returns {{element: HTMLFormElement, showProblem: (text: string, detail?: string) => void, isBusy: () => boolean}}
 */
export function accessForm({ testid, ok, fields = {}, content, run, aside }) {
  let isBusy = false;
  let waitUntil = 0;
  let timer = 0;
  const problem = h('div', {
    class: 'dialog-problem',
    role: 'alert',
    hidden: true,
    data: { testid: `${testid}-problem` },
  });
  // The countdown is not part of the alert, so that screen readers do not read it every second.
  const wait = h('p', { class: 'muted tabular', hidden: true, data: { testid: `${testid}-wait` } });
  const button = h('button', {
    class: 'button button-primary',
    type: 'submit',
    text: ok,
    data: { testid: `${testid}-ok` },
  });
  const element = h(
    'form',
    { class: 'access-form', novalidate: true, data: { testid }, on: { submit } },
    content,
    problem,
    wait,
    h('div', { class: 'access-actions' }, button, aside ?? null),
  );

  /**
   * @param {string} text
   * @param {string} [detail]
   */
  const showProblem = (text, detail) => {
    problem.hidden = !text;
    problem.replaceChildren(h('p', {}, messageContent(text)), ...(detail ? [h('p', {}, messageContent(detail))] : []));
  };
  const showButton = () => {
    setText(button, isBusy ? t('common.working') : ok);
    button.setAttribute('aria-disabled', String(isBusy || Date.now() < waitUntil));
  };
  /** @param {number} seconds */
  const startWait = (seconds) => {
    waitUntil = Date.now() + seconds * 1000;
    clearInterval(timer);
    timer = setInterval(tick, TICK_MS);
    tick();
  };
  function tick() {
    const seconds = Math.ceil((waitUntil - Date.now()) / 1000);
    wait.hidden = seconds <= 0;
    if (seconds > 0) setText(wait, t('access.form.wait', { duration: waitText(seconds) }));
    if (seconds <= 0 || !element.isConnected) clearInterval(timer);
    if (seconds <= 0) showProblem('');
    showButton();
  }

  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    if (isBusy || Date.now() < waitUntil) return;
    isBusy = true;
    showProblem('');
    showButton();
    try {
      await run();
    } catch (error) {
      show(error);
    }
    isBusy = false;
    showButton();
  }

  /** @param {unknown} error */
  function show(error) {
    if (error instanceof ApiError && error.status === 429) {
      startWait(error.retryAfterSeconds || 1);
      return showProblem(t('access.form.too_many'));
    }
    if (error instanceof ApiError && showFieldErrors(fields, error.fields)) return undefined;
    if (error instanceof NetworkError) return showProblem(error.message, t('access.form.kept'));
    return showProblem(messageOf(error), nextStep(error));
  }
  showButton();
  return { element, showProblem, isBusy: () => isBusy };
}

/** @param {number} seconds */
const waitText = (seconds) => (seconds < 60 ? t('access.form.seconds', { count: seconds }) : formatDuration(seconds));
