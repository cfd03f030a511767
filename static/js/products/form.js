// The form of a product, with an error message at each field.

import { h } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { showMessage } from '../core/message-text.js';
import { FIELDS, FIELD_LABELS } from './edit-conflict.js';

/** @import { Props } from '../core/dom.js' */
/** @import { FieldName, FieldValues, TextField } from './edit-conflict.js' */

/** @typedef {Required<FieldValues>} FormValues */

/**
 * @typedef {object} ProductForm
 * @property {HTMLFormElement} element
 * @property {(product: FieldValues) => void} set Fill the form; `changes` compares with these values.
 * @property {(values: FieldValues) => void} put Write values into the fields as if the user had typed them.
 * @property {() => FieldValues} changes
 * @property {() => FormValues} values
 * @property {(errors: Record<string, string[]>) => boolean} showErrors Return whether a field of the form has an error.
 * @property {(name?: FieldName) => void} focus
 * @property {() => void} setReadOnly
 */

const EMPTY = { sku: '', name: '', description: '', active: true };
/** @type {Partial<Record<FieldName, string>>} */
const HINTS = { sku: t('products.dialog.sku_hint') };

/**
 * Create the form.
 * @param {(event: Event) => void} onSubmit
 * @returns {ProductForm}
 */
export function createProductForm(onSubmit) {
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
  /** @param {FieldValues} given */
  const put = ({ sku, name, description, active }) => {
    if (sku !== undefined) fields.sku.write(sku);
    if (name !== undefined) fields.name.write(name);
    if (description !== undefined) fields.description.write(description);
    if (active !== undefined) fields.active.write(active);
  };
  /** @returns {FormValues} */
  const values = () => ({
    sku: fields.sku.read(),
    name: fields.name.read(),
    description: fields.description.read(),
    active: fields.active.read(),
  });
  let base = values();
  /** @param {FieldValues} product */
  const set = (product) => {
    put({ ...EMPTY, ...product });
    // Read the values back: a text area normalises line breaks, which is not a change.
    base = values();
  };
  /** @returns {FieldValues} */
  const changes = () => {
    const current = values();
    return Object.fromEntries(
      FIELDS.filter((name) => current[name] !== base[name]).map((name) => [name, current[name]]),
    );
  };
  /** @param {Record<string, string[]>} errors */
  const showErrors = (errors) => {
    for (const name of FIELDS) fields[name].problem(errors[name]?.join(' ') ?? '');
    const first = FIELDS.find((name) => errors[name]);
    if (first) fields[first].control.focus();
    return Boolean(first);
  };
  /** @param {FieldName} [name] */
  const focus = (name = 'sku') => fields[name].control.focus();
  const setReadOnly = () => {
    for (const { control } of [fields.sku, fields.name, fields.description]) control.readOnly = true;
    fields.active.control.disabled = true;
  };
  return { element, set, put, changes, values, showErrors, focus, setReadOnly };
}

/**
 * @param {TextField} name
 * @param {Props} attributes with `rows`, the field has several lines
 */
function textField(name, attributes) {
  /** @type {HTMLInputElement | HTMLTextAreaElement} */
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
    /** @param {string} value */
    write: (value) => {
      control.value = value;
      // A one-line input drops line breaks. Keep the original text until the user types.
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
    /** @param {boolean} value */
    write: (value) => {
      control.checked = value;
    },
  });
}

/**
 * @template Access
 * @param {FieldName} name
 * @param {HTMLInputElement | HTMLTextAreaElement} control
 * @param {Access} access reads and writes the value
 */
function field(name, control, access) {
  const problemId = `product-${name}-problem`;
  const problem = h('p', { class: 'field-error', id: problemId, data: { field: name } });
  const hint = HINTS[name] ? h('p', { class: 'field-hint', text: HINTS[name] }) : null;
  const label = h('label', { for: control.id, text: FIELD_LABELS[name] });
  /** @param {string} text empty for none */
  const show = (text) => {
    showMessage(problem, text);
    if (text) problem.dataset.testid = 'field-error';
    else delete problem.dataset.testid;
    for (const [attribute, value] of Object.entries({ 'aria-invalid': 'true', 'aria-describedby': problemId })) {
      if (text) control.setAttribute(attribute, value);
      else control.removeAttribute(attribute);
    }
  };
  control.addEventListener('input', () => show(''));
  const parts = name === 'active' ? [h('div', { class: 'field-line' }, control, label)] : [label, control];
  return { element: h('div', { class: 'field' }, parts, hint, problem), control, problem: show, ...access };
}
