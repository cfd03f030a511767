// What a person does with an import: confirm, cancel, retry, undo. One call at a time; every refusal is shown with what
// to do.

import { NetworkError, nextStep, sendJson } from '../core/api.js';
import { buildBanner } from '../core/banner.js';
import { setText } from '../core/dom.js';

const STEPS_AFTER = {
  file_gone: 'Choose the file again on the import page.',
  not_retryable: 'Choose the file again on the import page.',
};

/**
 * @param {object} options
 * @param {string} options.taskId
 * @param {HTMLElement} options.problem where a refusal is shown
 * @param {() => Promise<void>} options.reload brings what the call has changed into view
 * @returns {{call: (action: string, settings: {button: HTMLButtonElement, busy: string, body?: object}) =>
 *   Promise<object|null>, clear: () => void}}
 *   the job of the answer; null when it was refused, or another call is under way
 */
export function createJobActions({ taskId, problem, reload }) {
  let isBusy = false;
  const clear = () => problem.replaceChildren();

  async function call(action, { button, busy, body }) {
    if (isBusy) return null;
    isBusy = true;
    const restore = makeBusy(button, busy);
    try {
      const job = await sendJson('POST', importApiPath(taskId, action), { body });
      clear();
      if (job.task_id === taskId) await reload();
      return job;
    } catch (error) {
      tell(error);
      // It is in another state than what is shown.
      if (error.status === 409) await reload();
      return null;
    } finally {
      isBusy = false;
      restore();
    }
  }
  function tell(error) {
    const detail =
      STEPS_AFTER[error.code] ?? (error.status === 409 ? 'The page now shows its present state.' : nextStep(error));
    const title =
      error instanceof NetworkError ? `${error.message} Nothing was changed as far as this page knows.` : error.message;
    problem.replaceChildren(buildBanner({ title, detail, onDismiss: clear }));
    problem.scrollIntoView({ block: 'nearest' });
  }
  return { call, clear };
}

/** @param {string} taskId @param {string} [action] @returns {string} */
export const importApiPath = (taskId, action = '') =>
  `/api/imports/${encodeURIComponent(taskId)}${action && '/'}${action}`;

// aria-disabled, because a button that is switched off while focused would throw the focus away.
function makeBusy(button, text) {
  const face = [...button.childNodes];
  setText(button, text);
  button.setAttribute('aria-disabled', 'true');
  return () => {
    button.replaceChildren(...face);
    button.removeAttribute('aria-disabled');
  };
}
