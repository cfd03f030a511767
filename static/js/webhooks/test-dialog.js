// The dialog that sends a test request and shows the response.

import { messageOf, sendJson } from '../core/api.js';
import { showDialog } from '../core/dialog.js';
import { fill, h, setText } from '../core/dom.js';
import { formatDuration } from '../core/format.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { showMessage } from '../core/message-text.js';
import { addressOf } from './actions.js';

/** @import { Child } from '../core/dom.js' */
/** @import { TestResult, Webhook } from '../core/types.d.ts' */

// The server waits 15 seconds for the receiver. Looking up its name can take some more seconds.
const TIMEOUT_MS = 40_000;

/**
 * Open the dialog and send the sample at once. The user can then send another body.
 * @param {Webhook} webhook
 */
export function openTest(webhook) {
  const result = h('div', { class: 'test-result', role: 'status', data: { testid: 'test-result' } });
  const own = h('textarea', {
    class: 'input mono',
    id: 'test-body',
    rows: 6,
    spellcheck: 'false',
    placeholder: '{"event": "product.created", "test": true}',
    data: { testid: 'test-body' },
    'aria-describedby': 'test-body-problem',
  });
  const problem = h('p', { class: 'field-error', id: 'test-body-problem', role: 'alert' });
  const again = h('button', {
    class: 'button button-primary',
    type: 'button',
    data: { testid: 'test-send' },
    on: { click: () => send() },
  });
  let busy = false;

  async function send() {
    if (busy) return;
    const body = readBody();
    if (body === INVALID) return;
    setBusy(true);
    fill(result, h('p', { class: 'muted test-wait' }, icon('arc', 'spin'), t('webhooks.test.waiting')));
    try {
      /** @type {{test_result: TestResult}} */
      const answer = await sendJson('POST', `${addressOf(webhook.id)}/test`, { body, timeoutMs: TIMEOUT_MS });
      fill(result, describeResult(answer.test_result));
    } catch (error) {
      fill(result, h('div', { class: 'dialog-problem', role: 'alert', message: messageOf(error) }));
    }
    setBusy(false);
  }

  function readBody() {
    showMessage(problem, '');
    own.removeAttribute('aria-invalid');
    if (!own.value.trim()) return undefined;
    try {
      return JSON.parse(own.value);
    } catch (error) {
      showMessage(problem, t('webhooks.test.not_json', { reason: messageOf(error) }));
      own.setAttribute('aria-invalid', 'true');
      own.focus();
      return INVALID;
    }
  }

  /** @param {boolean} wanted */
  const setBusy = (wanted) => {
    busy = wanted;
    again.setAttribute('aria-disabled', String(wanted));
    setText(again, wanted ? t('common.sending') : t('webhooks.delivery.send_again'));
  };

  const dialog = showDialog({
    title: t('webhooks.test.title'),
    content: [
      h(
        'p',
        { class: 'test-url' },
        h('span', { class: 'muted', text: 'POST ' }),
        h('code', { text: webhook.url, dir: 'ltr' }),
      ),
      result,
      h(
        'details',
        { class: 'test-own' },
        h('summary', { text: t('webhooks.test.other_body') }),
        h('div', { class: 'field' }, h('label', { for: 'test-body', text: t('webhooks.test.body') }), own, problem),
      ),
    ],
    footer: h(
      'div',
      { class: 'dialog-actions' },
      h('button', { class: 'button', type: 'button', text: t('common.close'), on: { click: () => dialog.close() } }),
      again,
    ),
    testid: 'test-dialog',
  });
  send();
}

const INVALID = Symbol('invalid');

/**
 * @param {TestResult} result
 * @returns {Child[]}
 */
function describeResult({ success, status_code: status, response_time_ms: ms, response_text: text, error }) {
  return [
    h(
      'p',
      { class: 'test-line' },
      h(
        'span',
        { class: `pill pill-${success ? 'success' : 'danger'}`, data: { testid: 'test-status' } },
        icon(success ? 'check' : 'cross'),
        h('span', { text: status === null ? t('webhooks.delivery.no_answer') : String(status) }),
      ),
      h('span', { class: 'tabular', text: formatDuration(ms / 1000), data: { testid: 'test-time' } }),
    ),
    error ? h('p', { class: 'test-error', text: error, data: { testid: 'test-error' } }) : null,
    text
      ? [h('h3', { text: t('webhooks.test.answer') }), codeBlock(text, t('webhooks.test.answer_body'))]
      : h('p', { class: 'muted', text: status === null ? '' : t('webhooks.test.empty') }),
  ];
}

/**
 * Create a block that shows a text unchanged and scrolls if it is long.
 * @param {string} text
 * @param {string} label for screen readers
 * @returns {HTMLElement}
 */
export function codeBlock(text, label) {
  return h(
    'pre',
    { class: 'code-block', tabindex: '0', role: 'region', 'aria-label': label, dir: 'auto' },
    h('code', { text }),
  );
}
