// The form below a group of rejected rows, with which their value is replaced in the whole file.

import { announce } from '../core/announcer.js';
import { fill, h, setText } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { createActionButton } from './action-buttons.js';
import { applyLabel, countWith } from './fix-editor.js';
import { keyOf } from './fix-drafts.js';

/** @import { FixEditor } from './fix-editor.js' */

const OTHER = 'other';
/** @type {[value: string, label: string][]} */
const ACTIVE_CHOICES = [
  ['active', t('imports.fix.choice_active')],
  ['inactive', t('imports.fix.choice_inactive')],
  ['', t('imports.fix.choice_empty')],
  [OTHER, t('imports.fix.choice_other')],
];
let serial = 0;

/**
 * Create the form.
 * @param {object} options
 * @param {string} options.column
 * @param {string} options.value
 * @param {FixEditor} options.editor
 * @param {() => void} options.onClose removes the form and restores the focus
 * @returns {{element: HTMLElement, focus: () => void, showDrafts: () => void}} `showDrafts` updates the label and the
 *   problem after other changes were prepared
 */
export function createFixValueForm({ column, value, editor, onClose }) {
  serial += 1;
  const id = `fix-value-${serial}`;
  const { drafts } = editor;
  const key = keyOf({ column, value });
  const known = drafts.get(key)?.fix;
  const initial = known && 'replacement' in known ? known.replacement : undefined;
  const isActive = editor.columns.some(({ name, field }) => field === 'active' && name === column);
  const problem = h('p', { class: 'field-error', id: `${id}-problem`, role: 'alert', data: { testid: 'fix-problem' } });
  const text = h('input', {
    class: 'input',
    id: `${id}-text`,
    autocomplete: 'off',
    autocapitalize: 'off',
    spellcheck: 'false',
    dir: 'auto',
    value: initial ?? value,
    data: { testid: 'fix-text' },
  });
  const label = t('imports.fix.replace_by', { value, column });
  const textField = h(
    'div',
    { class: 'field' },
    h('label', { for: text.id, text: isActive ? t('imports.fix.value') : label }),
    text,
  );
  const choice = isActive ? createChoice(`${id}-choice`, initial) : null;
  const main = choice ?? text;
  const replacement = () => (choice && choice.value !== OTHER ? choice.value : text.value);
  /** @param {string} sentence */
  const showProblem = (sentence) => {
    setText(problem, sentence);
    const control = textField.hidden ? main : text;
    for (const field of [text, choice]) field?.removeAttribute('aria-invalid');
    for (const field of [text, choice]) field?.removeAttribute('aria-describedby');
    if (!sentence) return;
    control.setAttribute('aria-invalid', 'true');
    control.setAttribute('aria-describedby', problem.id);
    control.focus();
  };
  const show = () => {
    textField.hidden = choice !== null && choice.value !== OTHER;
  };
  /** Keep what was entered; return whether it changes anything. */
  const prepare = () => {
    if (replacement() === value) {
      showProblem(t('imports.fix.same_value'));
      return false;
    }
    showProblem('');
    drafts.put({ column, value, replacement: replacement() });
    return true;
  };
  const apply = createActionButton('', 'fix-apply', () => {}, 'button-small');
  apply.classList.add('button-primary');
  const cancel = createActionButton(t('common.cancel'), 'fix-cancel', onClose, 'button-small');
  cancel.classList.add('button-quiet');
  apply.type = 'submit';
  const element = h(
    'form',
    {
      class: 'fix-form',
      'aria-label': t('imports.fix.replace', { value, column }),
      data: { testid: 'fix-form' },
      on: {
        submit: async (event) => {
          event.preventDefault();
          if (apply.getAttribute('aria-disabled') === 'true' || !prepare()) return;
          const refusal = await editor.apply(apply, key);
          if (refusal) showProblem(refusal);
        },
        keydown: (event) => {
          if (event.key === 'Escape') {
            event.preventDefault();
            onClose();
          } else if (event.key === 'Enter' && event.target === choice) {
            // Enter in a select opens its list in some browsers; in a text field it submits the form.
            event.preventDefault();
            element.requestSubmit();
          }
        },
        input: () => showProblem(''),
        change: show,
      },
    },
    choice ? h('div', { class: 'field' }, h('label', { for: choice.id, text: label }), choice) : null,
    textField,
    h(
      'div',
      { class: 'fix-actions' },
      apply,
      createActionButton(
        t('imports.fix.prepare_only'),
        'fix-prepare',
        () => {
          if (!prepare()) return;
          const by = replacement();
          announce(t('imports.fix.prepared_value', { column, value, replacement: by, isEmpty: by === '' }));
          onClose();
        },
        'button-small',
      ),
      cancel,
    ),
    problem,
  );
  const showDrafts = () => {
    // A busy button has its own text.
    if (apply.getAttribute('aria-disabled') !== 'true') fill(apply, applyLabel(countWith(drafts, { column, value })));
  };
  show();
  showDrafts();
  setText(problem, drafts.get(key)?.problem ?? '');
  const focus = () => {
    main.focus();
    if (main === text) text.select();
  };
  return { element, focus, showDrafts };
}

/**
 * @param {string} id
 * @param {string | undefined} initial undefined if nothing is prepared
 */
function createChoice(id, initial) {
  const select = h(
    'select',
    { class: 'input', id, data: { testid: 'fix-choice' } },
    ACTIVE_CHOICES.map(([value, text]) => h('option', { value, text })),
  );
  const isListed = ACTIVE_CHOICES.some(([value]) => value === initial);
  select.value = initial === undefined ? 'active' : isListed ? initial : OTHER;
  return select;
}
