// How a file was read. In a form, the user can change the format, the options and the columns, and read the file again.

import { h, setText } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { createMappingSummary, createMappingTable } from './column-mapping.js';
import { createMissingFields, createOptionField } from './option-fields.js';
import {
  FORMAT_OPTIONS,
  TEXT_OPTIONS,
  describeDetected,
  describeFormat,
  describeOptions,
  differingOptions,
  formValues,
  isWorkbook,
  retryValues,
} from './options.js';
import { needsColumns } from './steps.js';

import { DEFAULT_OPTIONS } from './upload-settings.js';

/** @import { ImportDetail, ImportFile, RetryOptions } from '../core/types.d.ts' */
/** @import { OptionName } from './upload-settings.js' */

/** @type {OptionName[]} */
const OPTION_NAMES = ['sheet', 'encoding', 'delimiter', 'quote', 'header_line', 'mode', 'on_reject', 'short_rows'];

/**
 * Create the form with which the file of an import can be read again.
 * @param {ImportDetail} job
 * @param {object} settings
 * @param {boolean} settings.isRequired whether the import cannot go on until the file is read again
 * @param {(body: RetryOptions, button: HTMLButtonElement) => void} settings.onReadAgain
 * @param {(isChanged: boolean) => void} [settings.onChange]
 * @returns {{element: HTMLElement, changes: () => RetryOptions}} `changes` returns what was changed and can be sent
 */
export function createFileForm(job, { isRequired, onReadAgain, onChange = () => {} }) {
  const { file } = job;
  const initial = formValues(job.options);
  const chosen = { ...initial };
  const detected = describeDetected(file);
  const columns = file?.columns.length ? createMappingTable(file, () => show()) : null;
  /** @param {OptionName} name */
  const field = (name) =>
    createOptionField(name, {
      value: chosen[name],
      detected: initial[name] ? undefined : detected[name],
      choices: name === 'sheet' ? (file?.sheets ?? []) : [],
      onChange: (value) => {
        chosen[name] = value;
        show();
      },
    });
  const hint = h('p', { class: 'muted', role: 'status' });
  const button = h('button', {
    class: 'button',
    type: 'submit',
    text: t('imports.option.read_again'),
    data: { testid: 'read-again' },
  });
  const foot = h('div', { class: 'file-foot' }, hint, button);

  const missingFields = createMissingFields({
    missing: initial.missing,
    limit: initial.missing_limit,
    defaultLimit: DEFAULT_OPTIONS.missing_limit,
    onChange: (changes) => {
      Object.assign(chosen, changes);
      show();
    },
  });

  const changedNames = () => differingOptions(initial, chosen);
  // In another format the file has other columns, so a mapping of the current columns is meaningless.
  const hasOtherFormat = () => changedNames().some((name) => FORMAT_OPTIONS.has(name));
  const problem = () => (columns && !hasOtherFormat() ? columns.problem() : '');
  const show = () => {
    const isChanged = changedNames().length > 0 || Boolean(columns?.isChanged());
    foot.hidden = !isChanged && !isRequired;
    button.classList.toggle('button-primary', isRequired || isChanged);
    button.setAttribute('aria-disabled', String(Boolean(problem())));
    if (foot.hidden || problem()) setText(hint, '');
    else if (isChanged) setText(hint, t('imports.option.read_again_changed'));
    else setText(hint, t('imports.option.read_again_hint'));
    onChange(isChanged);
  };
  /** @returns {RetryOptions} */
  const changes = () => {
    const body = retryValues(chosen, changedNames());
    if (hasOtherFormat()) return { ...body, mapping: null };
    const hasMapping = columns && !columns.problem() && (columns.isChanged() || needsColumns(job));
    return hasMapping ? { ...body, mapping: columns.mapping() } : body;
  };
  /** @param {SubmitEvent} event */
  const submit = (event) => {
    event.preventDefault();
    if (button.getAttribute('aria-disabled') !== 'true') onReadAgain({ preview: true, ...changes() }, button);
  };
  const element = h(
    'form',
    { class: 'card file-card', 'aria-labelledby': 'file-title', data: { testid: 'file-form' }, on: { submit } },
    fileHead(job),
    columns?.element ?? null,
    h('div', { class: 'option-fields' }, optionNames(file).map(field), missingFields),
    foot,
  );
  show();
  return { element, changes };
}

/**
 * Return the options that a file has: a workbook has sheets, another file an encoding, a delimiter and quotes.
 * @param {ImportFile | null} file
 */
const optionNames = (file) =>
  OPTION_NAMES.filter((name) => (isWorkbook(file) ? !TEXT_OPTIONS.has(name) : name !== 'sheet'));

/**
 * Create a description of how the file was read, without a form.
 * @param {ImportDetail} job
 * @returns {HTMLElement | null} null if the file was not read yet
 */
export function createFileSummary(job) {
  if (!job.file) return null;
  return h(
    'section',
    { class: 'card file-card', 'aria-labelledby': 'file-title' },
    fileHead(job),
    createMappingSummary(job.file),
    h('p', { class: 'muted', text: t('imports.option.summary', { options: describeOptions(job.options) }) }),
  );
}

/** @param {ImportDetail} job */
function fileHead({ file }) {
  return h(
    'div',
    { class: 'card-head' },
    h('h2', { id: 'file-title', text: t('imports.option.how_read') }),
    h('p', {
      class: 'muted',
      data: { testid: 'file-facts' },
      text: file ? describeFormat(file).join(' · ') : t('imports.option.no_header'),
    }),
    file?.remembered
      ? h('p', {
          class: 'remembered',
          text: t('imports.option.remembered'),
        })
      : null,
  );
}
