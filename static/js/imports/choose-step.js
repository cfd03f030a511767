// The first step of an import: drop zone, the switch that skips the check, and options for the next files.

import { h, setText } from '../core/dom.js';
import { icon } from '../core/icons.js';
import { createDropZone } from './drop-zone.js';
import { createOptionField } from './options.js';
import {
  changedOptions,
  currentOptions,
  optionNames,
  setOptions,
  setSkipsCheck,
  skipsCheck,
} from './upload-settings.js';

/** @import { OptionName } from './upload-settings.js' */

const HINTS = {
  checked: 'Off: you see what will change before anything is written.',
  unchecked: 'On: a file is imported as soon as it is uploaded.',
};

/**
 * Create the card at the top of the import screen.
 * @returns {HTMLElement}
 */
export function createChooseCard() {
  return h(
    'div',
    { class: 'card drop-card' },
    createDropZone(),
    h('div', { class: 'choose-line' }, skipCheckSwitch(), optionsPart()),
    columnsHelp(),
  );
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
    h('div', { class: 'field-line' }, input, h('label', { for: input.id, text: 'Import without checking' })),
    hint,
  );
}

function optionsPart() {
  const summary = h('span', { class: 'muted', data: { testid: 'options-summary' } });
  const show = () => {
    const count = changedOptions().length;
    setText(summary, count ? `${count} changed` : '');
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
  show();
  return h(
    'details',
    { class: 'options', data: { testid: 'import-options' } },
    h('summary', {}, icon('next', 'rejects-marker'), 'Options', summary),
    h('div', { class: 'option-fields' }, optionNames().map(field)),
  );
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
    h(
      'p',
      { id: 'drop-columns' },
      'The first row names the columns: ',
      h('code', { text: 'sku' }),
      ' is required; ',
      h('code', { text: 'name' }),
      ', ',
      h('code', { text: 'description' }),
      ' and ',
      h('code', { text: 'active' }),
      ' are optional. Other names, such as “Item no.” or “Artikelnummer”, are recognised or can be mapped by hand. ',
      'A product whose SKU already exists is updated.',
    ),
    h(
      'table',
      { class: 'example', 'aria-label': 'Example file' },
      h('thead', {}, row('th', ['sku', 'name', 'description', 'active'])),
      h(
        'tbody',
        {},
        row('td', ['LAMP-01', 'Desk lamp', 'Dimmable', 'true']),
        row('td', ['LAMP-02', 'Floor lamp', '', 'false']),
      ),
    ),
  );
}
