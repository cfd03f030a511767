// The table of a webhook's deliveries. A row opens to show every attempt and the request body.

import { getJson, messageOf, nextStep, sendJson } from '../core/api.js';
import { showBanner } from '../core/banner.js';
import { copyText } from '../core/clipboard.js';
import { closestTo, fill, h, setText } from '../core/dom.js';
import { formatAhead, formatDuration, formatTime } from '../core/format.js';
import { icon } from '../core/icons.js';
import { toast } from '../core/toast.js';
import { timeElement } from '../core/widgets.js';
import { addressOf } from './actions.js';
import { codeBlock } from './test-dialog.js';

/** @import { Child } from '../core/dom.js' */
/** @import { IconName } from '../core/icons.js' */
/** @import { Delivery, DeliveryAttempt, DeliveryDetail } from '../core/types.d.ts' */

const COLUMNS = 6;
/** @type {Record<Delivery['status'], {word: string, shape: IconName, tone: string}>} */
const STATUSES = {
  pending: { word: 'Pending', shape: 'clock', tone: 'running' },
  delivered: { word: 'Delivered', shape: 'check', tone: 'success' },
  failed: { word: 'Failed', shape: 'cross', tone: 'danger' },
};

/**
 * Create the table of deliveries.
 * @param {number} webhookId
 * @returns {{element: HTMLElement, show: (deliveries: Delivery[]) => void, update: (deliveries: Delivery[]) => void,
 *   isOpen: () => boolean}} `update` changes the rows on the page and adds none; `isOpen` tells whether a row is open
 */
export function deliveryList(webhookId) {
  const body = h('tbody');
  const element = h(
    'div',
    { class: 'table-scroll', tabindex: '0', role: 'region', 'aria-label': 'Table of deliveries' },
    h(
      'table',
      { class: 'table table-deliveries', data: { testid: 'deliveries-table' } },
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          h('th', { scope: 'col', text: 'Event' }),
          h('th', { scope: 'col', text: 'Status' }),
          h('th', { scope: 'col', class: 'medium', text: 'Last answer' }),
          h('th', { scope: 'col', class: 'number wide', text: 'Attempts' }),
          h('th', { scope: 'col', class: 'medium', text: 'Happened' }),
          h('th', { scope: 'col', class: 'wide', text: 'Next attempt' }),
        ),
      ),
      body,
    ),
  );
  /** @type {Map<number, ReturnType<typeof deliveryRow>>} */
  const rows = new Map();

  /** @param {Delivery} delivery */
  const rowOf = (delivery) => {
    const row = rows.get(delivery.id) ?? deliveryRow(webhookId, delivery);
    rows.set(delivery.id, row);
    return row;
  };
  /** @param {Delivery[]} deliveries */
  const show = (deliveries) => {
    const ids = new Set(deliveries.map((delivery) => delivery.id));
    for (const id of rows.keys()) if (!ids.has(id)) rows.delete(id);
    for (const delivery of deliveries) rowOf(delivery).show(delivery);
    const wanted = deliveries.flatMap((delivery) => rowOf(delivery).elements());
    if (wanted.length !== body.children.length || wanted.some((row, index) => body.children[index] !== row)) {
      body.replaceChildren(...wanted);
    }
  };
  /** @param {Delivery[]} deliveries */
  const update = (deliveries) => deliveries.forEach((delivery) => rows.get(delivery.id)?.show(delivery));
  return { element, show, update, isOpen: () => [...rows.values()].some((row) => row.isOpen()) };
}

/**
 * @param {number} webhookId
 * @param {Delivery} initial
 */
function deliveryRow(webhookId, initial) {
  let delivery = initial;
  let isFirst = true;
  let open = false;
  /** @type {string | null} */
  let sent = null;
  const button = h('button', {
    class: 'link-button delivery-open',
    type: 'button',
    'aria-expanded': 'false',
    data: { testid: 'delivery-open' },
    on: { click: () => toggle() },
  });
  const pill = h('span', { class: 'pill', data: { testid: 'delivery-status' } });
  const answer = h('td', { class: 'medium nowrap tabular', data: { testid: 'delivery-answer' } });
  const attempts = h('td', { class: 'number wide' });
  const happened = h('td', { class: 'medium nowrap' });
  const next = h('td', { class: 'wide nowrap' });
  const row = h(
    'tr',
    {
      class: 'row-link',
      data: { testid: 'delivery-row' },
      on: { click: (event) => closestTo(event, 'button, a') || toggle() },
    },
    h('td', { class: 'delivery-event' }, button),
    h('td', {}, pill),
    answer,
    attempts,
    happened,
    next,
  );
  const content = h('div', { class: 'delivery-detail', data: { testid: 'delivery-detail' } });
  const detail = h('tr', { class: 'delivery-more' }, h('td', { colspan: COLUMNS }, content));

  /** @param {Delivery} latest */
  function show(latest) {
    const before = delivery;
    delivery = latest;
    const { word, shape, tone } = STATUSES[latest.status];
    if (pill.dataset.status !== latest.status) {
      pill.className = `pill pill-${tone}`;
      pill.dataset.status = latest.status;
      fill(pill, icon(shape), h('span', { text: word }));
    }
    if (isFirst) {
      fill(button, icon('next', 'delivery-marker'), h('span', { text: latest.event }));
      fill(happened, timeElement(latest.created_at));
    }
    isFirst = false;
    const last = latest.attempts.at(-1);
    setText(
      answer,
      last ? `${last.status_code ?? 'No answer'} · ${formatDuration(last.response_time_ms / 1000)}` : '–',
    );
    setText(attempts, String(latest.attempts.length));
    setText(next, latest.next_attempt_at ? formatAhead(latest.next_attempt_at) : '–');
    if (open && (before.attempts.length !== latest.attempts.length || before.status !== latest.status)) {
      paintDetail();
    }
  }

  async function toggle() {
    open = !open;
    button.setAttribute('aria-expanded', String(open));
    row.classList.toggle('is-open', open);
    if (!open) return void detail.remove();
    paintDetail();
    row.after(detail);
    if (sent !== null) return undefined;
    try {
      /** @type {DeliveryDetail} */
      const detailed = await getJson(`${addressOf(webhookId)}/deliveries/${delivery.id}`);
      sent = detailed.request_body;
    } catch (error) {
      fill(
        content,
        h('p', { class: 'dialog-problem', role: 'alert', message: `${messageOf(error)} ${nextStep(error)}` }),
      );
      return undefined;
    }
    return paintDetail();
  }

  function paintDetail() {
    fill(
      content,
      h(
        'div',
        { class: 'delivery-head' },
        h('code', { class: 'delivery-id', text: delivery.event_id }),
        h(
          'button',
          {
            class: 'button button-small',
            type: 'button',
            data: { testid: 'copy-id' },
            on: { click: () => copyText(delivery.event_id, 'Id') },
          },
          icon('copy'),
          'Copy id',
        ),
        h('span', { class: 'spacer' }),
        h(
          'button',
          { class: 'button button-small', type: 'button', data: { testid: 'delivery-resend' }, on: { click: resend } },
          icon('send'),
          'Send again',
        ),
      ),
      h('h3', { text: delivery.attempts.length ? 'Attempts' : 'No attempt yet' }),
      h('ol', { class: 'attempts' }, delivery.attempts.toReversed().map(attemptItem)),
      h('h3', { text: 'Request body' }),
      sent === null ? h('div', { class: 'skeleton', 'aria-hidden': 'true' }) : codeBlock(pretty(sent), 'Request body'),
    );
  }

  async function resend() {
    try {
      await sendJson('POST', `${addressOf(webhookId)}/deliveries/${delivery.id}/resend`);
      toast('Sending again');
    } catch (error) {
      showBanner({ key: 'delivery-resend', title: messageOf(error), detail: nextStep(error) });
    }
  }
  return { show, elements: () => (open ? [row, detail] : [row]), isOpen: () => open };
}

/** @param {DeliveryAttempt} attempt */
function attemptItem(attempt) {
  const good = attempt.error === null;
  return h(
    'li',
    { class: 'attempt', data: { testid: 'attempt' } },
    h(
      'details',
      {},
      h(
        'summary',
        {},
        icon(good ? 'check' : 'cross', good ? 'tone-good' : 'tone-bad'),
        h('span', { class: 'tabular attempt-code', text: attempt.status_code ?? 'No answer' }),
        h('span', { class: 'tabular', text: formatDuration(attempt.response_time_ms / 1000) }),
        h('span', { class: 'muted', text: formatTime(attempt.at) }),
        attempt.error ? h('span', { class: 'attempt-error', text: attempt.error }) : null,
      ),
      h(
        'div',
        { class: 'attempt-more' },
        h('p', {}, h('span', { class: 'muted', text: 'POST ' }), h('code', { text: attempt.url })),
        headers('Request headers', attempt.request_headers),
        headers('Response headers', attempt.response_headers),
        attempt.response_text ? [h('h4', { text: 'Response' }), codeBlock(attempt.response_text, 'Response')] : null,
      ),
    ),
  );
}

/**
 * @param {string} title
 * @param {Record<string, unknown>} values
 * @returns {Child}
 */
function headers(title, values) {
  const entries = Object.entries(values);
  if (!entries.length) return null;
  return [h('h4', { text: title }), codeBlock(entries.map(([name, value]) => `${name}: ${value}`).join('\n'), title)];
}

/** @param {string} text JSON, or any other text, which stays as it is */
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
