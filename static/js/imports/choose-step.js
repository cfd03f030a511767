// The first step of an import: drop zone, the switch that skips the check, and options for the next files.

import { fill, h, setText } from '../core/dom.js';
import { sampleLink } from '../core/download.js';
import { t, tRich } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { createDropZone } from './drop-zone.js';
import { createMissingFields, createOptionField } from './option-fields.js';
import {
  DEFAULT_OPTIONS,
  changedOptions,
  currentOptions,
  setOptions,
  setSkipsCheck,
  skipsCheck,
} from './upload-settings.js';

/** @import { OptionName } from './upload-settings.js' */

/**
 * The options that can be chosen before a file is known.
 * @type {OptionName[]}
 */
const OPTION_NAMES = ['mode', 'on_reject', 'short_rows', 'header_line', 'encoding', 'delimiter', 'quote'];

const HINTS = {
  checked: t('imports.choose.unchecked_off'),
  unchecked: t('imports.choose.unchecked_on'),
};

/**
 * Create the card at the top of the import screen.
 * @returns {{element: HTMLElement, refresh: () => void}} `refresh` shows options that were reset
 */
export function createChooseCard() {
  const options = optionsPart();
  const element = h(
    'div',
    { class: 'card drop-card' },
    createDropZone(),
    h('div', { class: 'choose-line' }, skipCheckSwitch(), options.element),
    columnsHelp(),
  );
  return { element, refresh: options.refresh };
}

function skipCheckSwitch() {
  const hint = h('p', { class: 'field-hint', id: 'unchecked-hint' });
  const input = h('input', {
    class: 'switch-input',
    type: 'checkbox',
    role: 'switch',
    id: 'unchecked',
    checked: skipsCheck(),
    'aria-describedby': hint.id,
    data: { testid: 'import-unchecked' },
  });
  const show = () => setText(hint, input.checked ? HINTS.unchecked : HINTS.checked);
  show();
  input.addEventListener('change', () => {
    setSkipsCheck(input.checked);
    show();
  });
  // Another tab may have changed the setting.
  input.addEventListener('focus', () => {
    input.checked = skipsCheck();
    show();
  });
  return h(
    'div',
    { class: 'unchecked' },
    h('div', { class: 'field-line' }, input, h('label', { for: input.id, text: t('imports.choose.unchecked') })),
    hint,
  );
}

function optionsPart() {
  const summary = h('span', { data: { testid: 'options-summary' } });
  const show = () => {
    const text = describeChanges();
    setText(summary, text);
    summary.className = currentOptions().missing === 'keep' ? 'muted' : 'tone-warning';
  };
  /** @param {OptionName} name */
  const field = (name) =>
    createOptionField(name, {
      value: currentOptions()[name],
      onChange: (value) => {
        setOptions({ [name]: value });
        show();
      },
    });
  const missingFields = () =>
    createMissingFields({
      missing: currentOptions().missing,
      limit: currentOptions().missing_limit,
      defaultLimit: DEFAULT_OPTIONS.missing_limit,
      note: t('imports.choose.next_file_only'),
      onChange: (changes) => {
        setOptions(changes);
        shownMissing = currentOptions().missing;
        show();
      },
    });
  const missingPlace = h('div', { class: 'missing-place' });
  let shownMissing = '';
  const refresh = () => {
    const { missing } = currentOptions();
    if (missing !== shownMissing) fill(missingPlace, missingFields());
    shownMissing = missing;
    show();
  };
  refresh();
  const element = h(
    'details',
    { class: 'options', data: { testid: 'import-options' } },
    h('summary', {}, icon('next', 'rejects-marker'), t('imports.choose.options'), summary),
    h('div', { class: 'option-fields' }, OPTION_NAMES.map(field), missingPlace),
  );
  return { element, refresh };
}

/** Return how many options are changed, and always name the one that removes products. */
function describeChanges() {
  const names = changedOptions().filter((name) => name !== 'missing_limit');
  const { missing } = currentOptions();
  const removal = { deactivate: t('imports.choose.deactivates'), delete: t('imports.choose.deletes') };
  const others = names.filter((name) => name !== 'missing').length;
  return [
    others ? t('imports.choose.changed', { count: others }) : '',
    missing === 'deactivate' || missing === 'delete' ? removal[missing] : '',
  ]
    .filter(Boolean)
    .join(' · ');
}

function columnsHelp() {
  /**
   * @param {'th' | 'td'} tag
   * @param {string[]} cells
   */
  const row = (tag, cells) =>
    h(
      'tr',
      {},
      cells.map((text) => h(tag, { scope: tag === 'th' ? 'col' : null, text })),
    );
  return h(
    'div',
    { class: 'columns-help' },
    h('p', { id: 'drop-columns' }, tRich('imports.choose.columns', { column: (parts) => h('code', {}, parts) })),
    h(
      'div',
      { class: 'example-file' },
      h(
        'table',
        { class: 'example', 'aria-label': t('imports.choose.example') },
        h('thead', {}, row('th', ['sku', 'name', 'description', 'active'])),
        h(
          'tbody',
          {},
          row('td', [
            'LAMP-01',
            t('imports.choose.example_row1.name'),
            t('imports.choose.example_row1.description'),
            'true',
          ]),
          row('td', ['LAMP-02', t('imports.choose.example_row2.name'), '', 'false']),
        ),
      ),
      sampleLink('sample-link'),
    ),
  );
}
