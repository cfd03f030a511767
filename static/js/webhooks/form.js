// The fields of a webhook in a form, with what is wrong at each of them.

import { fill, h, setText } from '../core/dom.js';
import { icon } from '../core/icons.js';
import { copyText } from './actions.js';

const ALL = '*';
const SECRET_BYTES = 24;
const EACH_OF = ['product.created', 'product.updated'];

/** @returns {string} a secret as Standard Webhooks has them */
export function newSecret() {
  const bytes = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  return `whsec_${btoa(String.fromCharCode(...bytes))}`;
}

/**
 * @param {object} options
 * @param {{event: string, description: string}[]} options.events all kinds
 * @param {(event: Event) => void} options.onSubmit
 * @param {() => void} [options.onRotate] offers to replace the secret
 * @returns {{element: HTMLFormElement, set: (webhook: object) => void, setSecret: (secret: string, note: string) =>
 *   void, changes: () => object,
 *   values: () => object, showErrors: (fields: Record<string, string[]>) => boolean, focus: () => void}}
 */
export function webhookForm({ events, onSubmit, onRotate }) {
  const url = input('url', {
    type: 'url',
    dir: 'ltr',
    placeholder: 'https://example.com/hooks',
    autocapitalize: 'off',
  });
  const description = input('description', { dir: 'auto' });
  const all = h('input', {
    type: 'checkbox',
    class: 'checkbox',
    id: 'event-all',
    data: { testid: 'event-all' },
    on: { change: () => paint() },
  });
  const boxes = events.map(({ event }) =>
    h('input', {
      type: 'checkbox',
      class: 'checkbox',
      id: `event-${event}`,
      value: event,
      'aria-describedby': `about-${event}`,
      data: { testid: `event-${event}` },
      on: { change: () => paint() },
    }),
  );
  const each = h('input', {
    type: 'checkbox',
    class: 'checkbox',
    id: 'imports-each',
    'aria-describedby': 'about-each',
    data: { testid: 'imports-each' },
  });
  const signed = h('input', {
    type: 'checkbox',
    role: 'switch',
    class: 'switch-input',
    id: 'secret-on',
    data: { testid: 'secret-on' },
    on: { change: () => paint() },
  });
  const secret = h('input', {
    class: 'input mono',
    id: 'webhook-secret',
    type: 'password',
    autocomplete: 'off',
    spellcheck: 'false',
    'aria-label': 'Secret',
    data: { testid: 'field-secret' },
  });
  const reveal = small('eye', 'Reveal', 'secret-reveal', () => showSecret(secret.type === 'password'));
  const copy = small('copy', 'Copy', 'secret-copy', () => copyText(secret.value, 'Secret'));
  const renew = onRotate
    ? small('refresh', 'Rotate…', 'secret-rotate', onRotate)
    : small('refresh', 'Another one', 'secret-new', () => {
        secret.value = newSecret();
      });
  const secretNote = h('p', { class: 'field-hint', role: 'status', data: { testid: 'secret-note' } });
  const secretPart = h(
    'div',
    { class: 'secret' },
    h('div', { class: 'secret-line' }, secret, reveal, copy, renew),
    secretNote,
  );

  const problems = Object.fromEntries(
    ['url', 'description', 'event_type', 'imports', 'secret'].map((name) => [
      name,
      h('p', { class: 'field-error', id: `webhook-${name}-problem` }),
    ]),
  );
  const choices = h(
    'div',
    { class: 'event-choices' },
    events.map(({ event, description: text }, index) => choice(boxes[index], event, text)),
  );
  const eachPart = h(
    'div',
    { class: 'event-each' },
    choice(
      each,
      'Also for each product that an import writes',
      'Otherwise an import sends none of these; batches come with products.imported.',
      'each',
    ),
  );
  const element = h(
    'form',
    {
      class: 'webhook-form',
      id: 'webhook-form',
      novalidate: true,
      on: { submit: onSubmit, input: (event) => forgive(event.target) },
    },
    field('URL', url, problems.url, 'Gets a POST of JSON for every event. A public address, http or https.'),
    field('Description', description, problems.description, 'For people. Optional.'),
    h(
      'fieldset',
      { class: 'fieldset' },
      h('legend', { text: 'Events' }),
      choice(all, 'All events', 'Also kinds that come later.', 'all'),
      choices,
      eachPart,
      problems.event_type,
      problems.imports,
    ),
    h(
      'div',
      { class: 'field' },
      h('div', { class: 'field-line' }, signed, h('label', { for: 'secret-on', text: 'Sign requests' })),
      h('p', {
        class: 'field-hint',
        text: 'With the secret the receiver tells genuine requests from others (Standard Webhooks).',
      }),
      secretPart,
      problems.secret,
    ),
  );
  let base = {};

  function paint() {
    for (const box of boxes) box.disabled = all.checked;
    secretPart.hidden = !signed.checked;
    if (signed.checked && !secret.value) secret.value = newSecret();
    eachPart.hidden = !all.checked && !boxes.some((box) => box.checked && EACH_OF.includes(box.value));
  }
  function showSecret(visible) {
    secret.type = visible ? 'text' : 'password';
    setText(reveal.lastChild, visible ? 'Hide' : 'Reveal');
    reveal.setAttribute('aria-pressed', String(visible));
  }
  const values = () => ({
    url: url.value.trim(),
    description: description.value.trim(),
    event_type: all.checked
      ? ALL
      : boxes
          .filter((box) => box.checked)
          .map((box) => box.value)
          .join(','),
    imports: each.checked && !eachPart.hidden ? 'each' : 'none',
    secret: signed.checked ? secret.value : null,
  });
  const set = (webhook) => {
    const chosen = webhook.event_type.split(',');
    url.value = webhook.url;
    description.value = webhook.description;
    all.checked = chosen.includes(ALL);
    for (const box of boxes) box.checked = chosen.includes(box.value);
    each.checked = webhook.imports === 'each';
    signed.checked = webhook.secret !== null;
    secret.value = webhook.secret ?? '';
    paint();
    base = values();
  };
  const setSecret = (value, note) => {
    secret.value = value;
    base.secret = value;
    showSecret(true);
    setText(secretNote, note);
  };
  const changes = () => Object.fromEntries(Object.entries(values()).filter(([name, value]) => value !== base[name]));
  const controls = { url, description, event_type: all, imports: each, secret };
  const showErrors = (errors) => {
    for (const name of Object.keys(problems)) tell(name, errors[name]?.join(' ') ?? '');
    const first = Object.keys(problems).find((name) => errors[name]);
    if (first) controls[first].focus();
    return Boolean(first);
  };
  function forgive(target) {
    const name =
      Object.keys(controls).find((key) => controls[key] === target) ?? (boxes.includes(target) ? 'event_type' : '');
    if (name) tell(name, '');
  }
  function tell(name, text) {
    const control = controls[name];
    const about = { event_type: 'about-all', imports: 'about-each' }[name];
    fill(problems[name], text);
    for (const [attribute, value] of [
      ['aria-invalid', text && 'true'],
      ['aria-describedby', [about, text && problems[name].id].filter(Boolean).join(' ')],
    ]) {
      if (value) control.setAttribute(attribute, value);
      else control.removeAttribute(attribute);
    }
  }
  return { element, set, setSecret, changes, values, showErrors, focus: () => url.focus() };
}

function input(name, attributes) {
  return h('input', {
    class: 'input',
    id: `webhook-${name}`,
    autocomplete: 'off',
    spellcheck: 'false',
    data: { testid: `field-${name}` },
    ...attributes,
  });
}

function field(label, control, problem, hint) {
  return h(
    'div',
    { class: 'field' },
    h('label', { for: control.id, text: label }),
    control,
    h('p', { class: 'field-hint', text: hint }),
    problem,
  );
}

function choice(box, label, text, name = box.value) {
  return h(
    'div',
    { class: 'choice' },
    box,
    h('div', {}, h('label', { for: box.id, text: label }), h('p', { class: 'field-hint', id: `about-${name}`, text })),
  );
}

function small(shape, label, testid, run) {
  return h(
    'button',
    { class: 'button button-small', type: 'button', data: { testid }, on: { click: run } },
    icon(shape),
    h('span', { text: label }),
  );
}
