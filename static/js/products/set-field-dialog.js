// The dialog that sets one field of the selected products to a value.

import { messageOf } from '../core/api.js';
import { bulkKind } from '../core/bulk-kind.js';
import { showDialog } from '../core/dialog.js';
import { createDiscardQuestion } from '../core/discard-question.js';
import { h, setText } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { showMessage } from '../core/message-text.js';
import { FIELD_LABELS } from './edit-conflict.js';

/** @import { BulkChange } from '../core/bulk-kind.js' */

/** @typedef {'name' | 'description' | 'active'} SettableField */

/** @type {SettableField[]} */
const FIELDS = ['name', 'description', 'active'];
const NAME_CHARACTERS = 500;
const HINTS = { name: t('products.set.hint_name'), description: t('products.set.hint_description'), active: '' };

/**
 * Open the dialog.
 * @param {object} options
 * @param {number} options.count of selected products
 * @param {(change: BulkChange, say: (text: string) => void) => Promise<boolean>} options.run Make the change; return
 *   whether the dialog is done. `say` shows a message in the dialog.
 * @param {() => void} options.onDone called once the dialog is closed after a change
 */
export function openSetField({ count, run, onDone }) {
  let busy = false;
  let isDone = false;
  const field = h(
    'select',
    { class: 'input', id: 'set-field', data: { testid: 'set-field' }, on: { change: () => show() } },
    FIELDS.map((name) => h('option', { value: name, text: FIELD_LABELS[name] })),
  );
  const common = {
    class: 'input',
    id: 'set-value',
    data: { testid: 'set-value' },
    // Typing changes what the button says.
    on: { input: () => show() },
  };
  const text = { dir: 'auto', autocomplete: 'off', 'aria-describedby': 'set-value-hint' };
  const controls = {
    name: h('input', { ...common, ...text, type: 'text', maxlength: NAME_CHARACTERS }),
    description: h('textarea', { ...common, ...text, rows: 6 }),
    active: h(
      'select',
      common,
      h('option', { value: 'true', text: t('products.active') }),
      h('option', { value: 'false', text: t('products.inactive') }),
    ),
  };
  const problem = h('p', { class: 'dialog-problem', role: 'alert', hidden: true, data: { testid: 'set-problem' } });
  const label = h('label', { for: 'set-value', text: t('products.set.new_value') });
  const place = h('div', {});
  const hint = h('p', { class: 'field-hint', id: 'set-value-hint' });
  const button = h('button', {
    class: 'button button-primary',
    type: 'submit',
    form: 'set-field-form',
    data: { testid: 'set-submit' },
  });
  const cancel = h('button', {
    class: 'button',
    type: 'button',
    text: t('products.cancel'),
    data: { testid: 'set-cancel' },
    on: { click: () => mayClose() && dialog.close() },
  });
  const actions = h('div', { class: 'dialog-actions' }, cancel, button);
  const form = h(
    'form',
    { class: 'product-form', id: 'set-field-form', on: { submit } },
    problem,
    h('div', { class: 'field' }, h('label', { for: 'set-field', text: t('products.set.field') }), field),
    h('div', { class: 'field' }, label, place, hint),
  );
  /** @returns {SettableField} */
  const chosen = () => FIELDS.find((name) => name === field.value) ?? 'name';
  const show = () => {
    const name = chosen();
    place.replaceChildren(controls[name]);
    setText(hint, HINTS[name]);
    hint.hidden = !HINTS[name];
    setText(button, busy ? t('products.working') : t('products.bulk.ok', { change: bulkKind(change()), count }));
    button.setAttribute('aria-disabled', String(busy));
  };
  const question = createDiscardQuestion({
    actions,
    isChanged: () => Boolean(controls.name.value || controls.description.value),
    onKeep: () => controls[chosen()].focus(),
    onDiscard: () => dialog.close(),
  });
  const mayClose = () => !busy && (isDone || question.mayClose());

  /** @returns {BulkChange} */
  const change = () => {
    const name = chosen();
    const { value } = controls[name];
    return { action: 'set', field: name, value: name === 'active' ? value === 'true' : value };
  };

  /** @param {string} message */
  const say = (message) => {
    problem.hidden = false;
    showMessage(problem, message);
  };

  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    if (busy) return;
    busy = true;
    problem.hidden = true;
    show();
    try {
      isDone = await run(change(), say);
    } catch (error) {
      say(messageOf(error));
    }
    busy = false;
    show();
    if (isDone) dialog.close();
    else controls[chosen()].focus();
  }

  show();
  const dialog = showDialog({
    title: t('products.set.title', { count }),
    content: [form],
    footer: h('div', {}, actions, question.element),
    testid: 'set-field-dialog',
    mayClose,
    onClose: () => isDone && onDone(),
  });
  field.focus();
}
