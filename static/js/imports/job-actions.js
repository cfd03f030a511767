// The actions of an import: confirm, cancel, retry. They run one at a time, and a refusal is shown with what to do.

import { ApiError, NetworkError, hasStatus, messageOf, nextStep, sendJson } from '../core/api.js';
import { buildBanner } from '../core/banner.js';
import { setText } from '../core/dom.js';
import { t } from '../core/i18n.js';

/** @import { ImportJob } from '../core/types.d.ts' */

/**
 * An action, as the last part of its address. `fixes/<id>` is one correction of the file.
 * @typedef {'confirm' | 'cancel' | 'retry' | 'fixes' | `fixes/${number}`} Action
 */

/**
 * @typedef {object} ActionSettings
 * @property {HTMLButtonElement} button shows that the action is running
 * @property {string} busy text of the button meanwhile
 * @property {object} [body] as the API takes it
 * @property {'POST' | 'DELETE'} [method]
 * @property {(error: unknown) => boolean} [onRefused] Show a refusal where it belongs. Return false if nothing on the
 *   page shows it.
 */

/**
 * Run an action, after the one that is running. The result is the job as the server returns it; null if the server
 * refused, or if the page no longer offers the action when its turn comes.
 * @typedef {(action: Action, settings: ActionSettings) => Promise<ImportJob | null>} RunAction
 */

/**
 * The functions with which the steps of an import act on it.
 * @typedef {object} StepContext
 * @property {RunAction} runAction
 * @property {() => Promise<void>} reload Fetch the import again and show it.
 */

const CHOOSE_AGAIN = t('imports.job.choose_again');

/** @type {Record<string, string | undefined>} */
const NEXT_STEPS = { file_gone: CHOOSE_AGAIN, not_retryable: CHOOSE_AGAIN };

/**
 * Create the actions of one import.
 * @param {object} options
 * @param {string} options.taskId
 * @param {HTMLElement} options.problem where refusals are shown
 * @param {() => Promise<void>} options.reload fetches the import again and shows it
 * @returns {{run: RunAction, clear: () => void}} `clear` removes the refusal that is shown
 */
export function createJobActions({ taskId, problem, reload }) {
  /** @type {Promise<unknown>} */
  let last = Promise.resolve();
  const clear = () => problem.replaceChildren();

  /** @type {RunAction} */
  function run(action, settings) {
    const { button, busy } = settings;
    if (button.getAttribute('aria-disabled') === 'true') return Promise.resolve(null);
    const restore = showBusy(button, busy);
    // The page can show what the running action has changed, and its buttons, before that action has ended.
    const result = last.then(() => (button.isConnected ? send(action, settings) : null)).finally(restore);
    last = result.catch(() => null);
    return result;
  }

  /** @type {RunAction} */
  async function send(action, { body, method = 'POST', onRefused = () => false }) {
    try {
      /** @type {ImportJob} */
      const job = await sendJson(method, importApiPath(taskId, action), { body });
      clear();
      if (job.task_id === taskId) await reload();
      return job;
    } catch (error) {
      if (!onRefused(error)) showRefusal(error);
      // A conflict means that the import is not in the state that is shown.
      if (hasStatus(error, 409)) await reload();
      return null;
    }
  }

  /** @param {unknown} error */
  function showRefusal(error) {
    const message = messageOf(error);
    const title = error instanceof NetworkError ? t('imports.job.nothing_changed', { reason: message }) : message;
    problem.replaceChildren(buildBanner({ title, detail: nextStepOf(error), onDismiss: clear }));
    problem.scrollIntoView({ block: 'nearest' });
  }
  return { run, clear };
}

/** @param {unknown} error */
function nextStepOf(error) {
  const specific = error instanceof ApiError ? NEXT_STEPS[error.code] : undefined;
  if (specific) return specific;
  return hasStatus(error, 409) ? t('imports.job.current_state') : nextStep(error);
}

/**
 * Return the path of an import in the API.
 * @param {string} taskId
 * @param {string} [part] an action, such as "undo", or a part, such as "rejects"
 * @returns {string}
 */
export const importApiPath = (taskId, part = '') => `/api/imports/${encodeURIComponent(taskId)}${part && '/'}${part}`;

/**
 * Show that a button is busy. It gets aria-disabled, because `disabled` would take the focus from it.
 * @param {HTMLButtonElement} button
 * @param {string} text
 * @returns {() => void} a function that restores the button
 */
function showBusy(button, text) {
  const content = [...button.childNodes];
  setText(button, text);
  button.setAttribute('aria-disabled', 'true');
  return () => {
    button.replaceChildren(...content);
    button.removeAttribute('aria-disabled');
  };
}
