// Fields of the forms of access control: a text, a password that can be shown, a new password with a live hint.

import { h, setText } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { showMessage } from '../core/message-text.js';
import { hintFor } from './password-rules.js';

/** @import { Child, Props } from '../core/dom.js' */

/**
 * @typedef {object} Field
 * @property {HTMLElement} element
 * @property {HTMLInputElement} input
 * @property {(text: string) => void} showProblem "" for none
 */

let serial = 0;

/**
 * Create a field with a label and a place for an error message.
 * @param {string} label
 * @param {Props} attributes of the input
 * @param {object} [options]
 * @param {string} [options.hint]
 * @param {(input: HTMLInputElement) => Child} [options.wrap] returns what stands in the place of the input
 * @returns {Field}
 */
export function textField(label, attributes, { hint, wrap = (input) => input } = {}) {
  serial += 1;
  const input = h('input', {
    class: 'input',
    id: `access-field-${serial}`,
    spellcheck: 'false',
    autocapitalize: 'off',
    ...attributes,
  });
  const problem = h('p', { class: 'field-error', id: `${input.id}-problem`, role: 'alert' });
  const about = hint ? h('p', { class: 'field-hint', id: `${input.id}-hint`, text: hint }) : null;
  /** @param {string} text */
  const showProblem = (text) => {
    showMessage(problem, text);
    if (text) input.setAttribute('aria-invalid', 'true');
    else input.removeAttribute('aria-invalid');
    const ids = [about?.id, text && problem.id].filter(Boolean).join(' ');
    if (ids) input.setAttribute('aria-describedby', ids);
    else input.removeAttribute('aria-describedby');
  };
  input.addEventListener('input', () => showProblem(''));
  showProblem('');
  const element = h('div', { class: 'field' }, h('label', { for: input.id, text: label }), wrap(input), about, problem);
  return { element, input, showProblem };
}

/**
 * Create a field for a password, with a button that shows it.
 * @param {string} label
 * @param {{testid: string, autocomplete: 'current-password' | 'new-password', hint?: string}} options
 * @returns {Field}
 */
export function passwordField(label, { testid, autocomplete, hint }) {
  const toggle = h('button', {
    class: 'button password-toggle',
    type: 'button',
    text: t('common.show'),
    'aria-label': t('access.password.show', { field: label }),
    'aria-pressed': 'false',
    data: { testid: `${testid}-show` },
  });
  const field = textField(
    label,
    { type: 'password', name: testid, autocomplete, required: true, data: { testid } },
    { hint, wrap: (input) => h('div', { class: 'password-line' }, input, toggle) },
  );
  toggle.addEventListener('click', () => {
    const isShown = field.input.type === 'text';
    field.input.type = isShown ? 'password' : 'text';
    toggle.setAttribute('aria-pressed', String(!isShown));
    setText(toggle, isShown ? t('common.show') : t('common.hide'));
  });
  return field;
}

/**
 * Create a field for a new password. A line below says whether it is good enough.
 * @param {string} label
 * @param {() => string[]} [knownTexts] returns what others know of the person
 * @returns {Field & {isGood: () => boolean}}
 */
export function newPasswordField(label, knownTexts = () => []) {
  const field = passwordField(label, { testid: 'new-password', autocomplete: 'new-password' });
  const hint = h('p', { class: 'field-hint password-hint', role: 'status', data: { testid: 'password-hint' } });
  const check = () => hintFor(field.input.value, knownTexts());
  const show = () => {
    const { text, isGood } = check();
    setText(hint, text);
    hint.classList.toggle('is-good', isGood);
  };
  field.input.addEventListener('input', show);
  field.element.append(hint);
  show();
  return {
    ...field,
    isGood() {
      const { text, isGood } = check();
      if (!isGood) {
        field.showProblem(text);
        field.input.focus();
      }
      return isGood;
    },
  };
}

/**
 * Show the errors of a call at their fields, and focus the first one.
 * @param {Record<string, Field>} fields by the name in the API
 * @param {Record<string, string[]>} errors
 * @returns {boolean} whether one of the errors belongs to a field
 */
export function showFieldErrors(fields, errors) {
  for (const [name, field] of Object.entries(fields)) field.showProblem(errors[name]?.join(' ') ?? '');
  const [first] = Object.entries(fields).filter(([name]) => errors[name]);
  first?.[1].input.focus();
  return Boolean(first);
}
