// The dialog that saves the list as a view, or renames and shares one.

import { ApiError, messageOf } from '../core/api.js';
import { showDialog } from '../core/dialog.js';
import { h, setText } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { showMessage } from '../core/message-text.js';
import { hasOwnViews, mayShare } from './view-list.js';

/** @import { SavedView } from '../core/types.d.ts' */

const MAX_CHARACTERS = 100;

/** @typedef {{name: string, shared: boolean}} ViewName */

/**
 * Ask for the name of a view, and who sees it.
 * @param {object} options
 * @param {string} options.title
 * @param {string} options.ok
 * @param {ViewName} [options.view] the name so far
 * @param {(values: ViewName) => Promise<SavedView>} options.run saves it; its error is shown in the dialog
 * @param {(view: SavedView) => void} options.onDone
 */
export function openViewDialog({ title, ok, view, run, onDone }) {
  let busy = false;
  const problem = h('p', { class: 'field-error', id: 'view-problem', role: 'alert', data: { testid: 'view-problem' } });
  const name = h('input', {
    class: 'input',
    name: 'name',
    value: view?.name ?? '',
    maxlength: MAX_CHARACTERS,
    required: true,
    autocomplete: 'off',
    dir: 'auto',
    'aria-describedby': problem.id,
    data: { testid: 'view-name' },
    on: { input: () => showProblem('') },
  });
  // A person who may not share has no choice, and neither has everyone on a machine without accounts.
  const hasChoice = hasOwnViews() && mayShare();
  const shared = h('input', {
    type: 'radio',
    name: 'shared',
    value: 'true',
    checked: view ? view.shared : !hasOwnViews(),
    data: { testid: 'view-shared' },
  });
  const own = h('input', { type: 'radio', name: 'shared', value: '', checked: !shared.checked });
  const button = h('button', {
    class: 'button button-primary',
    type: 'submit',
    text: ok,
    form: 'view-form',
    data: { testid: 'view-ok' },
  });
  const form = h(
    'form',
    { class: 'confirm', id: 'view-form', novalidate: true, on: { submit } },
    h('label', { class: 'field' }, h('span', { text: t('products.views.name') }), name),
    hasChoice
      ? h(
          'fieldset',
          { class: 'view-audience' },
          h('legend', { text: t('products.views.who') }),
          h('label', {}, own, t('products.views.only_you')),
          h('label', {}, shared, t('products.views.everyone')),
        )
      : null,
    problem,
  );

  /** @param {string} text */
  function showProblem(text) {
    showMessage(problem, text);
    if (text) name.setAttribute('aria-invalid', 'true');
    else name.removeAttribute('aria-invalid');
  }

  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    if (busy) return;
    if (!name.value.trim()) {
      showProblem(t('products.views.needs_name'));
      name.focus();
      return;
    }
    setBusy(true);
    try {
      const saved = await run({ name: name.value, shared: shared.checked });
      dialog.close();
      onDone(saved);
    } catch (error) {
      setBusy(false);
      showProblem(problemOf(error));
      name.focus();
    }
  }

  /** @param {boolean} wanted */
  function setBusy(wanted) {
    busy = wanted;
    button.setAttribute('aria-disabled', String(wanted));
    setText(button, wanted ? t('products.saving') : ok);
  }

  const dialog = showDialog({
    title,
    content: [form],
    footer: h(
      'div',
      { class: 'dialog-actions' },
      h('button', {
        class: 'button',
        type: 'button',
        text: t('products.cancel'),
        on: { click: () => busy || dialog.close() },
      }),
      button,
    ),
    testid: 'view-dialog',
    mayClose: () => !busy,
  });
  name.select();
}

/** @param {unknown} error */
function problemOf(error) {
  const [first] = error instanceof ApiError ? Object.values(error.fields).flat() : [];
  return first ?? messageOf(error);
}
