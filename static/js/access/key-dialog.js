// The dialog that creates an API key, and then shows its text, once.

import { sendJson } from '../core/api.js';
import { copyLine, copyText } from '../core/clipboard.js';
import { showDialog } from '../core/dialog.js';
import { fill, h } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { may } from '../core/session.js';
import { accessForm } from './access-form.js';
import { textField } from './fields.js';
import { DEFAULT_EXPIRY_DAYS, EXPIRIES, SCOPES, curlExample } from './scopes.js';

/** @import { Scope } from '../core/session.js' */
/** @import { CreatedApiKey } from '../core/types.d.ts' */

/**
 * Open the dialog.
 * @param {() => void} onCreated
 */
export function openNewKey(onCreated) {
  const name = textField(
    t('access.name'),
    { autocomplete: 'off', data: { testid: 'key-name' } },
    { hint: t('access.key.name_hint') },
  );
  const allowed = SCOPES.filter(([scope]) => may(/** @type {Scope} */ (scope)));
  const boxes = allowed.map(([scope]) =>
    h('input', {
      type: 'checkbox',
      class: 'checkbox',
      id: `scope-${scope}`,
      value: scope,
      'aria-describedby': `scope-${scope}-about`,
      data: { testid: `scope-${scope}` },
    }),
  );
  const scopeProblem = h('p', { class: 'field-error', role: 'alert', data: { testid: 'scopes-problem' } });
  const expiry = h(
    'select',
    { class: 'input', id: 'key-expiry', data: { testid: 'key-expiry' } },
    EXPIRIES.map(([days, label]) => h('option', { value: days ?? '', text: label })),
  );
  expiry.value = String(DEFAULT_EXPIRY_DAYS);
  const form = accessForm({
    testid: 'new-key',
    ok: t('access.key.create'),
    fields: { name },
    content: [
      name.element,
      h(
        'fieldset',
        { class: 'fieldset', on: { change: () => fill(scopeProblem) } },
        h('legend', { text: t('access.key.may') }),
        allowed.map(([scope, text], index) =>
          h(
            'div',
            { class: 'choice' },
            boxes[index],
            h(
              'div',
              {},
              h('label', { for: `scope-${scope}`, class: 'mono', text: scope }),
              h('p', { class: 'field-hint', id: `scope-${scope}-about`, text }),
            ),
          ),
        ),
        scopeProblem,
      ),
      h(
        'div',
        { class: 'field' },
        h('label', { for: expiry.id, text: t('access.key.expires_after') }),
        expiry,
        h('p', { class: 'field-hint', text: t('access.key.expiry_hint') }),
      ),
    ],
    async run() {
      const scopes = boxes.filter(({ checked }) => checked).map(({ value }) => value);
      if (!name.input.value.trim()) {
        name.showProblem(t('access.key.needs_name'));
        name.input.focus();
        return;
      }
      if (!scopes.length) {
        fill(scopeProblem, t('access.key.needs_scope'));
        boxes[0]?.focus();
        return;
      }
      const days = expiry.value ? Number(expiry.value) : undefined;
      showKey(await sendJson('POST', '/api/keys', { body: { name: name.input.value, scopes, expires_in_days: days } }));
      onCreated();
    },
  });
  const body = h('div', {}, form.element);
  const dialog = showDialog({
    title: t('access.key.new_title'),
    content: [body],
    testid: 'key-dialog',
    mayClose: () => !form.isBusy(),
  });
  name.input.focus();

  /** @param {CreatedApiKey} created */
  function showKey({ key, name: keyName, scopes }) {
    const example = curlExample(key, scopes, window.location.origin);
    dialog.setTitle(t('access.key.title', { name: keyName }));
    const done = h('button', {
      class: 'button button-primary',
      type: 'button',
      text: t('access.key.stored'),
      data: { testid: 'key-done' },
      on: { click: dialog.close },
    });
    fill(
      body,
      h(
        'div',
        { class: 'access-form' },
        h('p', { role: 'status', text: t('access.key.store_now') }),
        copyLine(t('access.key.label'), key, 'new-key-text'),
        h('h3', { text: t('access.key.try') }),
        h('pre', {
          class: 'code-block',
          tabindex: '0',
          'aria-label': t('access.key.example'),
          data: { testid: 'key-example' },
          text: example,
        }),
        h(
          'div',
          { class: 'access-actions' },
          done,
          h('button', {
            class: 'button',
            type: 'button',
            text: t('access.key.copy_example'),
            on: { click: () => copyText(example, t('access.key.example')) },
          }),
        ),
      ),
    );
    body.querySelector('input')?.focus();
  }
}
