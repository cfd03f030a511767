// How a file was read. In a form, the user can change the format, the options and the columns, and read the file again.

import { h, setText } from '../core/dom.js';
import { createMappingSummary, createMappingTable } from './column-mapping.js';
import {
  FORMAT_OPTIONS,
  createOptionField,
  delimiterName,
  describeDetected,
  describeOptions,
  describeQuoting,
  encodingName,
  packingName,
} from './options.js';
import { needsColumns } from './steps.js';

/** @import { ImportDetail, RetryOptions } from '../core/types.d.ts' */
/** @import { OptionName, UploadOptions } from './upload-settings.js' */

/** @type {OptionName[]} */
const OPTION_NAMES = ['encoding', 'delimiter', 'quote', 'mode', 'on_reject'];

/**
 * Create the form with which the file of an import can be read again.
 * @param {ImportDetail} job
 * @param {object} settings
 * @param {boolean} settings.isRequired whether the import cannot go on until the file is read again
 * @param {(body: RetryOptions, button: HTMLButtonElement) => void} settings.onReadAgain
 * @param {(isChanged: boolean) => void} [settings.onChange]
 * @returns {HTMLElement}
 */
export function createFileForm(job, { isRequired, onReadAgain, onChange = () => {} }) {
  const { file } = job;
  const initial = initialOptions(job);
  const chosen = { ...initial };
  const detected = describeDetected(file);
  const columns = file?.columns.length ? createMappingTable(file, () => show()) : null;
  /** @param {OptionName} name */
  const field = (name) =>
    createOptionField(name, {
      value: chosen[name],
      detected: initial[name] ? undefined : detected[name],
      onChange: (value) => {
        chosen[name] = value;
        show();
      },
    });
  const hint = h('p', { class: 'muted', role: 'status' });
  const button = h('button', { class: 'button', type: 'submit', text: 'Read again', data: { testid: 'read-again' } });
  const foot = h('div', { class: 'file-foot' }, hint, button);

  const changedNames = () => OPTION_NAMES.filter((name) => chosen[name] !== initial[name]);
  // In another format the file has other columns, so a mapping of the current columns is meaningless.
  const hasOtherFormat = () => changedNames().some((name) => FORMAT_OPTIONS.has(name));
  const problem = () => (columns && !hasOtherFormat() ? columns.problem() : '');
  const show = () => {
    const isChanged = changedNames().length > 0 || Boolean(columns?.isChanged());
    foot.hidden = !isChanged && !isRequired;
    button.classList.toggle('button-primary', isRequired || isChanged);
    button.setAttribute('aria-disabled', String(Boolean(problem())));
    if (foot.hidden || problem()) setText(hint, '');
    else if (isChanged) setText(hint, 'Read the file again to see what this changes.');
    else setText(hint, 'Reads the file again. Nothing is written before you confirm.');
    onChange(isChanged);
  };
  const retryOptions = () => {
    /** @type {Record<string, unknown>} */
    const body = { preview: true };
    for (const name of changedNames()) body[name] = chosen[name] || null;
    if (hasOtherFormat()) body.mapping = null;
    else if (columns && (columns.isChanged() || needsColumns(job))) body.mapping = columns.mapping();
    // The selects only offer values that the API accepts.
    return /** @type {RetryOptions} */ (body);
  };
  /** @param {SubmitEvent} event */
  const submit = (event) => {
    event.preventDefault();
    if (button.getAttribute('aria-disabled') !== 'true') onReadAgain(retryOptions(), button);
  };
  const element = h(
    'form',
    { class: 'card file-card', 'aria-labelledby': 'file-title', data: { testid: 'file-form' }, on: { submit } },
    fileHead(job),
    columns?.element ?? null,
    h('div', { class: 'option-fields' }, OPTION_NAMES.map(field)),
    foot,
  );
  show();
  return element;
}

/**
 * @param {ImportDetail} job
 * @returns {UploadOptions}
 */
const initialOptions = ({ mode, on_reject, options }) => ({
  mode,
  on_reject,
  delimiter: options.delimiter ?? '',
  quote: options.quote ?? '',
  encoding: options.encoding ?? '',
});

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
    h('p', { class: 'muted', text: `Options: ${describeOptions(job.options)}.` }),
  );
}

/** @param {ImportDetail} job */
function fileHead({ file }) {
  const facts = file
    ? [
        encodingName(file.encoding),
        `${delimiterName(file.delimiter).toLowerCase()} between fields`,
        describeQuoting(file),
        packingName(file.packing),
      ]
    : [];
  return h(
    'div',
    { class: 'card-head' },
    h('h2', { id: 'file-title', text: 'How the file was read' }),
    h('p', {
      class: 'muted',
      data: { testid: 'file-facts' },
      text: file ? facts.join(' · ') : 'Its header could not be read.',
    }),
    file?.remembered
      ? h('p', {
          class: 'remembered',
          text: 'The columns are mapped as you confirmed them for the last file with this header.',
        })
      : null,
  );
}
