// The first step: drop zone, whether to check first, and options for the files to come.

import { h, setText } from '../core/dom.js';
import { icon } from '../core/icons.js';
import { createDropZone } from './drop-zone.js';
import { createOptionField } from './options.js';
import { DEFAULT_OPTIONS, currentOptions, setOptions, setSkipsCheck, skipsCheck } from './upload-settings.js';

const HINTS = {
  checked: 'Off: you see what will change before anything is written.',
  unchecked: 'On: a file is imported as soon as it is uploaded.',
};

/** @returns {HTMLElement} the card at the top of the import screen */
export function createChooseCard() {
  return h(
    'div',
    { class: 'card drop-card' },
    createDropZone(),
    h('div', { class: 'choose-line' }, uncheckedSwitch(), optionsPart()),
    columnsHelp(),
  );
}

function uncheckedSwitch() {
  const hint = h('p', { class: 'field-hint', id: 'unchecked-hint' });
  const input = h('input', {
    class: 'switch-input',
    type: 'checkbox',
    role: 'switch',
    id: 'unchecked',
    checked: skipsCheck(),
    'aria-describedby': hint.id,
    data: { testid: 'import-unchecked' },
    on: {
      change: () => {
        setSkipsCheck(input.checked);
        show();
      },
    },
  });
  const show = () => setText(hint, input.checked ? HINTS.unchecked : HINTS.checked);
  show();
  // Another tab may have changed it.
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
    const options = currentOptions();
    const changed = Object.keys(DEFAULT_OPTIONS).filter((name) => options[name] !== DEFAULT_OPTIONS[name]).length;
    setText(summary, changed ? `${changed} changed` : '');
  };
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
    h('div', { class: 'option-fields' }, Object.keys(DEFAULT_OPTIONS).map(field)),
  );
}

function columnsHelp() {
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
      ' are optional. Other names, such as “Item no.” or “Artikelnummer”, are recognised or can be chosen. ',
      'A SKU that exists already is updated.',
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
