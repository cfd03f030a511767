// The form fields of the options of an import.

import { h, setText } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { FORMAT_OPTIONS, OPTION_CHOICES, OPTION_LABELS, describeMissing, valueLabel } from './options.js';

/** @import { OptionName } from './upload-settings.js' */

const MAX_LINE = 1_000_000;

/**
 * @typedef {object} FieldSettings
 * @property {string} value "" to detect the option from the file
 * @property {string} [detected] the label of what was detected
 * @property {string[]} [choices] values that only this file has
 * @property {(value: string) => void} onChange
 */

/**
 * Create the field of an option with its label: a number for a line, otherwise a select.
 * @param {OptionName} name
 * @param {FieldSettings} settings
 * @returns {HTMLElement}
 */
export function createOptionField(name, settings) {
  const control = name === 'header_line' ? lineInput(settings) : optionSelect(name, settings);
  control.dataset.testid = `option-${name}`;
  return h('label', { class: 'field' }, h('span', { text: OPTION_LABELS[name] }), control);
}

/**
 * @param {OptionName} name
 * @param {FieldSettings} settings
 */
function optionSelect(name, { value, detected, choices = [], onChange }) {
  const entries = [...Object.entries(OPTION_CHOICES[name] ?? {}), ...choices.map((choice) => [choice, choice])];
  if (FORMAT_OPTIONS.has(name)) {
    entries.unshift([
      '',
      detected ? t('imports.option.found', { value: detected.replace(/ \(.*\)/, '') }) : t('imports.option.automatic'),
    ]);
  }
  if (!entries.some(([key]) => key === value)) entries.push([value, valueLabel(name, value)]);
  /** @type {HTMLSelectElement} */
  const select = h(
    'select',
    { class: 'input', on: { change: () => onChange(select.value) } },
    entries.map(([key, text]) => h('option', { value: key, text, selected: key === value })),
  );
  return select;
}

/** @param {FieldSettings} settings */
function lineInput({ value, onChange }) {
  return numberInput(
    { value, min: 1, max: MAX_LINE, step: 1, placeholder: t('imports.option.automatic') },
    (number) => (number === null ? '' : String(Math.round(number))),
    onChange,
  );
}

/**
 * Create a field for a number. When it is left, it shows the number that counts: whole, or within its limits.
 * @param {{value: string, min: number, max: number, step: number | 'any', placeholder?: string}} props
 * @param {(number: number | null) => string} format returns the number that counts; null is an empty field
 * @param {(value: string) => void} onChange
 */
function numberInput(props, format, onChange) {
  const read = () => {
    const number = input.valueAsNumber;
    return format(Number.isNaN(number) ? null : Math.min(props.max, Math.max(props.min, number)));
  };
  /** @type {HTMLInputElement} */
  const input = h('input', {
    class: 'input',
    type: 'number',
    inputmode: 'decimal',
    ...props,
    on: {
      input: () => onChange(read()),
      change: () => {
        input.value = read();
        onChange(input.value);
      },
    },
  });
  return input;
}

/**
 * Create the fields of what happens to products that are not in the file: the choice, its limit and its effect.
 * @param {object} settings
 * @param {string} settings.missing
 * @param {string} settings.limit share from 0 to 1
 * @param {string} settings.defaultLimit share that an empty field means
 * @param {string} [settings.note] what else to know about the choice
 * @param {(changes: {missing?: string, missing_limit?: string}) => void} settings.onChange
 * @returns {HTMLElement}
 */
export function createMissingFields({ missing, limit, defaultLimit, note = '', onChange }) {
  const current = { missing, limit };
  const effect = h('p', { class: 'missing-effect', id: 'missing-effect', data: { testid: 'missing-effect' } });
  const choice = createOptionField('missing', {
    value: missing,
    onChange: (value) => {
      current.missing = value;
      onChange({ missing: value });
      show();
    },
  });
  const percent = numberInput(
    { value: percentText(limit), min: 0, max: 100, step: 'any' },
    (number) => (number === null ? percentText(defaultLimit) : String(number)),
    (value) => {
      current.limit = shareText(value);
      onChange({ missing_limit: current.limit });
      show();
    },
  );
  percent.dataset.testid = 'option-missing_limit';
  const limitField = h('label', { class: 'field' }, h('span', { text: OPTION_LABELS.missing_limit }), percent);
  choice.querySelector('select')?.setAttribute('aria-describedby', effect.id);
  const element = h('div', { class: 'missing-option' }, choice, limitField, effect);
  const show = () => {
    element.dataset.missing = current.missing;
    limitField.hidden = current.missing === 'keep';
    const text = describeMissing(current.missing, current.limit);
    setText(effect, current.missing === 'keep' ? text : `${text} ${note}`.trim());
  };
  show();
  return element;
}

/** @param {string} share from 0 to 1 */
const percentText = (share) => rounded(Number(share) * 100);

/** @param {string} percent */
const shareText = (percent) => rounded(Number(percent) / 100);

/**
 * Return a number without the traces of binary fractions: 7, not 7.000000000000001.
 * @param {number} number
 */
const rounded = (number) => String(Number(number.toPrecision(12)));
