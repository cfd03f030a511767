// How the file was read, and what to do differently: format, options, columns. One button reads it again.

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

/**
 * @param {object} job with options and file
 * @param {object} settings
 * @param {boolean} settings.isUrgent nothing goes on until it is read again
 * @param {(body: object, button: HTMLButtonElement) => void} settings.onReread
 * @param {(isChanged: boolean) => void} [settings.onChange]
 * @returns {HTMLElement}
 */
export function createFileForm(job, { isUrgent, onReread, onChange = () => {} }) {
  const { file, options } = job;
  const asked = {
    mode: job.mode ?? options?.mode ?? 'upsert',
    on_reject: job.on_reject ?? options?.on_reject ?? 'skip',
    delimiter: options?.delimiter ?? '',
    quote: options?.quote ?? '',
    encoding: options?.encoding ?? '',
  };
  const chosen = { ...asked };
  const columns = file?.columns?.length ? createMappingTable(file, () => show()) : null;
  const found = describeDetected(file);
  const field = (name) =>
    createOptionField(name, {
      value: chosen[name],
      found: asked[name] ? undefined : found[name],
      onChange: (value) => {
        chosen[name] = value;
        show();
      },
    });
  const hint = h('p', { class: 'muted', role: 'status' });
  const button = h('button', { class: 'button', type: 'submit', text: 'Read again', data: { testid: 'read-again' } });
  const foot = h('div', { class: 'file-foot' }, hint, button);

  const changed = () => Object.keys(asked).filter((name) => chosen[name] !== asked[name]);
  const isChanged = () => changed().length > 0 || Boolean(columns?.isChanged());
  // What is read in another way has other columns; what was chosen for these says nothing about those.
  const isOtherTable = () => changed().some((name) => FORMAT_OPTIONS.has(name));
  const problem = () => (columns && !isOtherTable() ? columns.problem() : '');
  const show = () => {
    const dirty = isChanged();
    foot.hidden = !dirty && !isUrgent;
    button.classList.toggle('button-primary', isUrgent || dirty);
    button.setAttribute('aria-disabled', String(Boolean(problem())));
    setText(
      hint,
      foot.hidden || problem()
        ? ''
        : dirty
          ? 'Read the file again to see what this changes.'
          : 'Reads the file again; nothing is written before you confirm.',
    );
    onChange(dirty);
  };
  const submit = (event) => {
    event.preventDefault();
    if (button.getAttribute('aria-disabled') === 'true') return;
    onReread(
      bodyOf({ chosen, changed: changed(), columns, isOtherTable: isOtherTable(), mustMap: needsColumns(job) }),
      button,
    );
  };
  const element = h(
    'form',
    { class: 'card file-card', 'aria-labelledby': 'file-title', data: { testid: 'file-form' }, on: { submit } },
    fileHead(job),
    columns?.element ?? null,
    h('div', { class: 'option-fields' }, ['encoding', 'delimiter', 'quote', 'mode', 'on_reject'].map(field)),
    foot,
  );
  show();
  return element;
}

function bodyOf({ chosen, changed, columns, isOtherTable, mustMap }) {
  const body = { preview: true };
  for (const name of changed) body[name] = chosen[name] || null;
  if (isOtherTable) body.mapping = null;
  else if (columns?.isChanged() || (columns && mustMap)) body.mapping = columns.mapping();
  return body;
}

/** The same, to read. @param {object} job @returns {HTMLElement|null} */
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
          text: 'The columns are as you confirmed them for the last file with this header.',
        })
      : null,
  );
}
