// The form of a webhook, with an error message at each field.

import { copyText } from '../core/clipboard.js';
import { h, setText } from '../core/dom.js';
import { apiText, t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { showMessage } from '../core/message-text.js';

/** @import { Props } from '../core/dom.js' */
/** @import { IconName } from '../core/icons.js' */
/** @import { EventType, RotatedSecret } from '../core/types.d.ts' */

/**
 * The fields of a webhook that the form edits. `secret` is null if requests are not signed.
 * @typedef {{url: string, description: string, event_type: string, imports: string,
 *   secret: string | null}} WebhookValues
 */

/** @typedef {keyof WebhookValues} FieldName */

const ALL = '*';
const SECRET_BYTES = 24;
/** @type {FieldName[]} */
const FIELD_NAMES = ['url', 'description', 'event_type', 'imports', 'secret'];
// An import can send these events for each product.
const SINGLE_PRODUCT_EVENTS = ['product.created', 'product.updated'];

/** @returns {string} a new secret in the format of Standard Webhooks: `whsec_` and 24 random bytes in base64 */
export function newSecret() {
  const bytes = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  return `whsec_${btoa(String.fromCharCode(...bytes))}`;
}

/**
 * Create the form.
 * @param {object} options
 * @param {EventType[]} options.events all event types
 * @param {(event: Event) => void} options.onSubmit
 * @param {() => void} [options.onRotate] if given, the form offers to replace the secret
 * @param {() => Promise<string | null>} [options.onUnmask] returns the secret that the form has only masked;
 *   null if it may not be shown
 * @param {boolean} [options.isMasked] whether the secret of `set` is masked
 * @returns {{
 *   element: HTMLFormElement,
 *   set: (values: WebhookValues) => void,
 *   setSecret: (rotated: RotatedSecret, note: string) => void,
 *   changes: () => Partial<WebhookValues>,
 *   values: () => WebhookValues,
 *   showErrors: (fields: Record<string, string[]>) => boolean,
 *   focus: () => void,
 * }} `showErrors` tells whether one of the errors belongs to a field of the form
 */
export function webhookForm({ events, onSubmit, onRotate, onUnmask, isMasked: wasMasked = false }) {
  let isMasked = wasMasked;
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
    'aria-label': t('webhooks.secret.label'),
    data: { testid: 'field-secret' },
  });
  const reveal = small('eye', isMasked ? t('webhooks.secret.show') : t('webhooks.secret.reveal'), 'secret-reveal', () =>
    withSecret(() => showSecret(secret.type === 'password')),
  );
  const copy = small('copy', t('common.copy'), 'secret-copy', () =>
    withSecret(() => copyText(secret.value, t('webhooks.secret.label'))),
  );
  const renew = onRotate
    ? small('refresh', t('webhooks.secret.rotate'), 'secret-rotate', onRotate)
    : small('refresh', t('webhooks.secret.new'), 'secret-new', () => {
        secret.value = newSecret();
      });
  const secretNote = h('p', { class: 'field-hint', role: 'status', data: { testid: 'secret-note' } });
  const secretPart = h(
    'div',
    { class: 'secret' },
    h('div', { class: 'secret-line' }, secret, reveal, copy, renew),
    secretNote,
  );

  /** @param {FieldName} name */
  const problem = (name) => h('p', { class: 'field-error', id: `webhook-${name}-problem` });
  /** @type {Record<FieldName, HTMLElement>} */
  const problems = {
    url: problem('url'),
    description: problem('description'),
    event_type: problem('event_type'),
    imports: problem('imports'),
    secret: problem('secret'),
  };
  const choices = h(
    'div',
    { class: 'event-choices' },
    boxes.map((box, index) =>
      choice(box, box.value, apiText(`event.${box.value}`) ?? events[index]?.description ?? ''),
    ),
  );
  const eachPart = h(
    'div',
    { class: 'event-each' },
    choice(each, t('webhooks.form.each'), t('webhooks.form.each_hint'), 'each'),
  );
  const element = h(
    'form',
    {
      class: 'webhook-form',
      id: 'webhook-form',
      novalidate: true,
      on: { submit: onSubmit, input: (event) => clearError(event.target) },
    },
    field(t('webhooks.form.url'), url, problems.url, t('webhooks.form.url_hint')),
    field(t('webhooks.form.description'), description, problems.description, t('webhooks.form.description_hint')),
    h(
      'fieldset',
      { class: 'fieldset' },
      h('legend', { text: t('webhooks.form.events') }),
      choice(all, t('webhooks.form.all_events'), t('webhooks.form.all_events_hint'), 'all'),
      choices,
      eachPart,
      problems.event_type,
      problems.imports,
    ),
    h(
      'div',
      { class: 'field' },
      h('div', { class: 'field-line' }, signed, h('label', { for: 'secret-on', text: t('webhooks.form.sign') })),
      h('p', {
        class: 'field-hint',
        text: t('webhooks.form.sign_hint'),
      }),
      secretPart,
      problems.secret,
    ),
  );
  let base = values();

  function paint() {
    for (const box of boxes) box.disabled = all.checked;
    secretPart.hidden = !signed.checked;
    if (signed.checked && !secret.value) secret.value = newSecret();
    eachPart.hidden = !all.checked && !boxes.some((box) => box.checked && SINGLE_PRODUCT_EVENTS.includes(box.value));
  }
  /**
   * Use the secret, once it is known.
   * @param {() => void} use
   */
  async function withSecret(use) {
    if (isMasked && secret.value === base.secret) {
      const text = await onUnmask?.();
      if (!text) return;
      isMasked = false;
      secret.value = text;
      base.secret = text;
    }
    use();
  }
  /** @param {boolean} visible */
  function showSecret(visible) {
    secret.type = visible ? 'text' : 'password';
    const label = reveal.lastElementChild;
    if (label) setText(label, visible ? t('common.hide') : t('webhooks.secret.reveal'));
    reveal.setAttribute('aria-pressed', String(visible));
  }
  /** @returns {WebhookValues} */
  function values() {
    const chosen = boxes.filter((box) => box.checked).map((box) => box.value);
    return {
      url: url.value.trim(),
      description: description.value.trim(),
      event_type: all.checked ? ALL : chosen.join(','),
      imports: each.checked && !eachPart.hidden ? 'each' : 'none',
      secret: signed.checked ? secret.value : null,
    };
  }
  /** @param {WebhookValues} webhook */
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
  /**
   * @param {RotatedSecret} rotated
   * @param {string} note
   */
  const setSecret = (rotated, note) => {
    isMasked = rotated.secret_is_masked;
    secret.value = rotated.secret;
    base.secret = rotated.secret;
    showSecret(!isMasked);
    setText(secretNote, note);
  };
  /** @returns {Partial<WebhookValues>} */
  const changes = () => {
    const current = values();
    return Object.fromEntries(
      FIELD_NAMES.filter((name) => current[name] !== base[name]).map((name) => [name, current[name]]),
    );
  };
  /** @type {Record<FieldName, HTMLInputElement>} */
  const controls = { url, description, event_type: all, imports: each, secret };
  /** @param {Record<string, string[]>} errors */
  const showErrors = (errors) => {
    for (const name of FIELD_NAMES) setError(name, errors[name]?.join(' ') ?? '');
    const first = FIELD_NAMES.find((name) => errors[name]);
    if (first) controls[first].focus();
    return Boolean(first);
  };
  /** @param {EventTarget | null} target the control that the user changes */
  function clearError(target) {
    const name = FIELD_NAMES.find((key) => controls[key] === target);
    if (name) setError(name, '');
    else if (boxes.some((box) => box === target)) setError('event_type', '');
  }
  /**
   * @param {FieldName} name
   * @param {string} text empty for none
   */
  function setError(name, text) {
    const control = controls[name];
    const about = name === 'event_type' ? 'about-all' : name === 'imports' ? 'about-each' : '';
    showMessage(problems[name], text);
    const attributes = {
      'aria-invalid': text && 'true',
      'aria-describedby': [about, text && problems[name].id].filter(Boolean).join(' '),
    };
    for (const [attribute, value] of Object.entries(attributes)) {
      if (value) control.setAttribute(attribute, value);
      else control.removeAttribute(attribute);
    }
  }
  return { element, set, setSecret, changes, values, showErrors, focus: () => url.focus() };
}

/**
 * @param {FieldName} name
 * @param {Props} attributes
 */
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

/**
 * @param {string} label
 * @param {HTMLElement} control
 * @param {HTMLElement} problem
 * @param {string} hint
 */
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

/**
 * @param {HTMLInputElement} box
 * @param {string} label
 * @param {string} text
 * @param {string} [name] last part of the hint's id
 */
function choice(box, label, text, name = box.value) {
  return h(
    'div',
    { class: 'choice' },
    box,
    h('div', {}, h('label', { for: box.id, text: label }), h('p', { class: 'field-hint', id: `about-${name}`, text })),
  );
}

/**
 * @param {IconName} shape
 * @param {string} label
 * @param {string} testid
 * @param {() => void} run
 */
function small(shape, label, testid, run) {
  return h(
    'button',
    { class: 'button button-small', type: 'button', data: { testid }, on: { click: run } },
    icon(shape),
    h('span', { text: label }),
  );
}
