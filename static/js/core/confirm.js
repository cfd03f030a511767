// Asks before something that cannot be undone, and does it, all in one dialog.

import { showDialog } from './dialog.js';
import { h, setText } from './dom.js';

/**
 * @param {object} options
 * @param {string} options.title a question that names what will happen
 * @param {string} options.text what it means
 * @param {string} options.ok label of the button
 * @param {string} [options.word] must be typed first
 * @param {() => Promise<any>} options.run does it; while it fails, the dialog stays and shows the error's message
 * @returns {Promise<any>} what run returned; undefined when the dialog was left
 */
export function askToConfirm({ title, text, ok, word, run }) {
  return new Promise((resolve) => {
    let result;
    let busy = false;
    const problem = h('p', { class: 'dialog-problem', role: 'alert', hidden: true, data: { testid: 'confirm-error' } });
    const input = word ? h('input', {
      class: 'input', name: 'word', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', data: { testid: 'confirm-word' }, on: { input: () => show() },
    }) : null;
    const button = h('button', { class: 'button button-danger', type: 'submit', text: ok, data: { testid: 'confirm-ok' } });
    const cancel = h('button', { class: 'button', type: 'button', text: 'Cancel', data: { testid: 'confirm-cancel' }, on: { click: () => !busy && dialog.close() } });
    const isReady = () => !busy && (!word || input.value.trim().toLowerCase() === word);
    const show = () => {
      button.disabled = !isReady();
      setText(button, busy ? 'Working…' : ok);
    };
    const form = h('form', { class: 'confirm', id: 'confirm-form', on: { submit: (event) => submit(event) } },
      h('p', { text }),
      word ? h('label', { class: 'field' }, h('span', {}, 'Type ', h('code', { text: word }), ' to confirm'), input) : null,
      problem);
    button.setAttribute('form', form.id);

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
        setText(problem, error.message);
        busy = false;
        show();
      }
    }

    const dialog = showDialog({
      title, content: [form], footer: h('div', { class: 'dialog-actions' }, cancel, button), testid: 'confirm-dialog', role: 'alertdialog',
      mayClose: () => !busy, onClose: () => resolve(result),
    });
    show();
    (input ?? cancel).focus();
  });
}
