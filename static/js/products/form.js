// The fields of a product in a form, with what is wrong at each of them.

import { fill, h } from '../core/dom.js';
import { FIELD_LABELS } from './edit-conflict.js';

const EMPTY = { sku: '', name: '', description: '', active: true };
const HINTS = { sku: 'Tells products apart; upper and lower case are the same.' };

/**
 * @param {(event: Event) => void} onSubmit
 * @returns {{element: HTMLFormElement, set: (product: object) => void, put: (values: object) => void, changes: () =>
 *   object, values: () => object,
 *   showErrors: (fields: Record<string, string[]>) => boolean, focus: (name?: string) => void}}
 *   set: makes these the values that changes are counted from; put: only writes them into the fields; showErrors: false
 * when no field of ours is to blame
 */
export function productForm(onSubmit) {
  const fields = {
    sku: textField('sku', { autocapitalize: 'off', class: 'input sku' }),
    name: textField('name', {}),
    description: textField('description', { rows: 6 }),
    active: switchField(),
  };
  const element = h(
    'form',
    { class: 'product-form', id: 'product-form', novalidate: true, on: { submit: onSubmit } },
    Object.values(fields).map((entry) => entry.element),
  );
  let base = {};

  const put = (values) => Object.entries(values).forEach(([name, value]) => fields[name]?.write(value));
  const values = () => Object.fromEntries(Object.entries(fields).map(([name, entry]) => [name, entry.read()]));
  const set = (product) => {
    put({ ...EMPTY, ...product });
    // Read back: a text area gives line ends in its own way, and that is no change.
    base = values();
  };
  const changes = () => Object.fromEntries(Object.entries(values()).filter(([name, value]) => value !== base[name]));
  const showErrors = (errors) => {
    for (const [name, entry] of Object.entries(fields)) entry.problem(errors[name]?.join(' ') ?? '');
    const first = Object.keys(fields).find((name) => errors[name]);
    if (first) fields[first].control.focus();
    return Boolean(first);
  };
  return { element, set, put, changes, values, showErrors, focus: (name = 'sku') => fields[name].control.focus() };
}

function textField(name, attributes) {
  const control = h(attributes.rows ? 'textarea' : 'input', {
    class: 'input',
    id: `product-${name}`,
    dir: 'auto',
    autocomplete: 'off',
    spellcheck: attributes.rows ? null : 'false',
    data: { testid: `field-${name}` },
    ...attributes,
  });
  return field(name, control, {
    read: () =>
      control.dataset.lines && control.value === control.dataset.line ? control.dataset.lines : control.value,
    write: (value) => {
      control.value = value;
      // An input shows line breaks as nothing; as long as nobody types, they stay in the value.
      if (control.tagName === 'INPUT' && control.value !== value) {
        Object.assign(control.dataset, { lines: value, line: control.value });
      } else delete control.dataset.lines;
    },
  });
}

function switchField() {
  const control = h('input', {
    type: 'checkbox',
    role: 'switch',
    class: 'switch-input',
    id: 'product-active',
    data: { testid: 'field-active' },
  });
  return field('active', control, {
    read: () => control.checked,
    write: (value) => {
      control.checked = value;
    },
  });
}

function field(name, control, access) {
  const problemId = `product-${name}-problem`;
  const problem = h('p', { class: 'field-error', id: problemId, data: { field: name } });
  const hint = HINTS[name] ? h('p', { class: 'field-hint', text: HINTS[name] }) : null;
  const label = h('label', { for: control.id, text: FIELD_LABELS[name] });
  const show = (text) => {
    fill(problem, text);
    if (text) problem.dataset.testid = 'field-error';
    else delete problem.dataset.testid;
    for (const [attribute, value] of [
      ['aria-invalid', 'true'],
      ['aria-describedby', problemId],
    ]) {
      if (text) control.setAttribute(attribute, value);
      else control.removeAttribute(attribute);
    }
  };
  control.addEventListener('input', () => show(''));
  const parts = name === 'active' ? [h('div', { class: 'field-line' }, control, label)] : [label, control];
  return { element: h('div', { class: 'field' }, parts, hint, problem), control, problem: show, ...access };
}
