// A dialog that asks for a confirmation, runs an action, and shows its error.

import { messageOf } from './api.js';
import { showDialog } from './dialog.js';
import { h, setText } from './dom.js';
import { t, tRich } from './i18n.js';
import { showMessage } from './message-text.js';

/**
 * Ask for a confirmation, then run an action. If the action fails, the dialog stays open and shows the error.
 * @template Result
 * @param {object} options
 * @param {string} options.title a question that names what will happen
 * @param {string | Promise<string>} options.text what it means; until a promise settles, nothing can be confirmed
 * @param {string} [options.waiting] text in place of a promise, such as "Counting…"
 * @param {string | (() => string)} options.ok label of the button; a function is called again after an error
 * @param {string} [options.word] a word that the user has to type first
 * @param {boolean} [options.isDangerous] whether the action removes something
 * @param {() => Promise<Result>} options.run
 * @returns {Promise<Result | undefined>} the result of `run`; undefined if the dialog was cancelled
 */
export function askToConfirm({ title, text, waiting = t('common.loading'), ok, word, isDangerous = true, run }) {
  return new Promise((resolve) => {
    /** @type {Result | undefined} */
    let result;
    let busy = false;
    let isWaiting = typeof text !== 'string';
    const problem = h('p', { class: 'dialog-problem', role: 'alert', hidden: true, data: { testid: 'confirm-error' } });
    const input = word
      ? h('input', {
          class: 'input',
          name: 'word',
          autocomplete: 'off',
          autocapitalize: 'off',
          spellcheck: 'false',
          data: { testid: 'confirm-word' },
          on: { input: () => show() },
        })
      : null;
    const button = h('button', {
      class: `button ${isDangerous ? 'button-danger' : 'button-primary'}`,
      type: 'submit',
      data: { testid: 'confirm-ok' },
    });
    const cancel = h('button', {
      class: 'button',
      type: 'button',
      text: t('common.cancel'),
      data: { testid: 'confirm-cancel' },
      on: { click: () => !busy && dialog.close() },
    });
    const isReady = () => !busy && !isWaiting && (!input || input.value.trim().toLowerCase() === word);
    const show = () => {
      // A disabled button would lose the focus, and with it the place to try again after an error.
      button.setAttribute('aria-disabled', String(!isReady()));
      setText(button, busy ? t('common.working') : typeof ok === 'string' ? ok : ok());
    };
    const explanation = h('p', {
      class: isWaiting ? 'confirm-awaited' : '',
      role: 'status',
      text: typeof text === 'string' ? text : waiting,
    });
    const form = h(
      'form',
      { class: 'confirm', id: 'confirm-form', on: { submit } },
      explanation,
      input
        ? h(
            'label',
            { class: 'field' },
            h('span', {}, tRich('core.confirm.type_word', { word: h('code', { text: word ?? '' }) })),
            input,
          )
        : null,
      problem,
    );
    button.setAttribute('form', form.id);

    /** @param {SubmitEvent} event */
    async function submit(event) {
      event.preventDefault();
      if (!isReady()) return;
      busy = true;
      problem.hidden = true;
      show();
      try {
        result = await run();
        dialog.close();
      } catch (error) {
        problem.hidden = false;
        showMessage(problem, messageOf(error));
        busy = false;
        show();
      }
    }

    const dialog = showDialog({
      title,
      content: [form],
      footer: h('div', { class: 'dialog-actions' }, cancel, button),
      testid: 'confirm-dialog',
      role: 'alertdialog',
      mayClose: () => !busy,
      onClose: () => resolve(result),
    });
    const fetchText = async () => {
      try {
        setText(explanation, await text);
        isWaiting = false;
      } catch (error) {
        explanation.hidden = true;
        problem.hidden = false;
        showMessage(problem, messageOf(error));
      }
      show();
    };
    show();
    if (isWaiting) fetchText();
    (input ?? cancel).focus();
  });
}
