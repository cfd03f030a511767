// The table of a webhook's deliveries. A row names what its event is about, and opens to show every attempt.

import { arrange, closestTo, fill, h, setText } from '../core/dom.js';
import { formatAhead, formatDuration, formatNumber } from '../core/format.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { timeElement } from '../core/widgets.js';
import { deliveryDetail } from './delivery-detail.js';

/** @import { IconName } from '../core/icons.js' */
/** @import { Delivery, DeliverySubject } from '../core/types.d.ts' */

const COLUMNS = 7;
/** @type {Record<Delivery['status'], {word: string, shape: IconName, tone: string}>} */
const STATUSES = {
  pending: { word: t('webhooks.status.pending'), shape: 'clock', tone: 'running' },
  delivered: { word: t('webhooks.status.delivered'), shape: 'check', tone: 'success' },
  failed: { word: t('webhooks.status.failed'), shape: 'cross', tone: 'danger' },
};

/**
 * @typedef {object} ListOptions
 * @property {(delivery: Delivery, options: {range: boolean}) => void} onSelect
 * @property {(selected: boolean) => void} onSelectPage
 * @property {(id: number) => boolean} isSelected
 */

/**
 * Create the table of deliveries.
 * @param {number} webhookId
 * @param {ListOptions} options
 * @returns {{element: HTMLElement, show: (deliveries: Delivery[]) => void, update: (deliveries: Delivery[]) => void,
 *   isOpen: () => boolean, deliveries: () => Delivery[], showSelection: () => void,
 *   setPaused: (paused: boolean) => void}} `update` changes the rows on the
 *   page and adds none; `isOpen` tells whether a row is open
 */
export function deliveryList(webhookId, { onSelect, onSelectPage, isSelected }) {
  const body = h('tbody');
  /** @type {HTMLInputElement} */
  const all = h('input', {
    class: 'checkbox',
    type: 'checkbox',
    'aria-label': t('webhooks.list.select_page'),
    data: { testid: 'select-page' },
    on: { change: () => onSelectPage(all.checked) },
  });
  const element = h(
    'div',
    { class: 'table-scroll', tabindex: '0', role: 'region', 'aria-label': t('webhooks.list.table') },
    h(
      'table',
      { class: 'table table-deliveries', data: { testid: 'deliveries-table' } },
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          h('th', { scope: 'col', class: 'delivery-check' }, all),
          h('th', { scope: 'col', text: t('webhooks.filter.event') }),
          h('th', { scope: 'col', class: 'delivery-status', text: t('webhooks.list.status') }),
          h('th', { scope: 'col', class: 'medium delivery-answer', text: t('webhooks.list.last_answer') }),
          h('th', { scope: 'col', class: 'number wide', text: t('webhooks.delivery.attempts') }),
          h('th', { scope: 'col', class: 'medium delivery-time', text: t('webhooks.list.happened') }),
          h('th', { scope: 'col', class: 'wide delivery-time', text: t('webhooks.list.next_attempt') }),
        ),
      ),
      body,
    ),
  );
  /** @type {Map<number, ReturnType<typeof deliveryRow>>} */
  const rows = new Map();
  /** @type {Delivery[]} */
  let shown = [];
  let paused = false;

  /** @param {Delivery} delivery */
  const rowOf = (delivery) => {
    const row = rows.get(delivery.id) ?? deliveryRow(webhookId, delivery, onSelect);
    rows.set(delivery.id, row);
    return row;
  };
  const showSelection = () => {
    for (const [id, row] of rows) row.select(isSelected(id));
    const selected = shown.filter(({ id }) => isSelected(id)).length;
    all.checked = shown.length > 0 && selected === shown.length;
    all.indeterminate = selected > 0 && selected < shown.length;
  };
  /** @param {Delivery[]} deliveries */
  const show = (deliveries) => {
    shown = deliveries;
    const ids = new Set(deliveries.map((delivery) => delivery.id));
    for (const id of rows.keys()) if (!ids.has(id)) rows.delete(id);
    for (const delivery of deliveries) rowOf(delivery).show(delivery, paused);
    const wanted = deliveries.flatMap((delivery) => rowOf(delivery).elements());
    arrange(body, wanted);
    showSelection();
  };
  /** @param {Delivery[]} deliveries */
  const update = (deliveries) => deliveries.forEach((delivery) => rows.get(delivery.id)?.show(delivery, paused));
  /** @param {boolean} wanted whether nothing is sent, because the webhook is off */
  const setPaused = (wanted) => {
    if (wanted === paused) return;
    paused = wanted;
    for (const row of rows.values()) row.pause(paused);
  };
  const isOpen = () => [...rows.values()].some((row) => row.isOpen());
  return { element, show, update, isOpen, deliveries: () => shown, showSelection, setPaused };
}

/**
 * @param {number} webhookId
 * @param {Delivery} initial
 * @param {ListOptions['onSelect']} onSelect
 */
function deliveryRow(webhookId, initial, onSelect) {
  let delivery = initial;
  let open = false;
  const subject = h('div', { class: 'delivery-subject', data: { testid: 'delivery-subject' } }, subjectOf(initial));
  const button = h(
    'button',
    {
      class: 'link-button delivery-open',
      type: 'button',
      'aria-expanded': 'false',
      data: { testid: 'delivery-open' },
      on: { click: () => toggle() },
    },
    icon('next', 'delivery-marker'),
    h('span', { text: initial.event }),
  );
  const box = h('input', {
    class: 'checkbox',
    type: 'checkbox',
    'aria-label': t('webhooks.list.select', {
      event: initial.event,
      subject: initial.subject?.name ?? initial.event_id,
    }),
    data: { testid: 'delivery-select' },
    on: { click: (event) => onSelect(delivery, { range: event.shiftKey }) },
  });
  const pill = h('span', { class: 'pill', data: { testid: 'delivery-status' } });
  const answer = h('td', { class: 'medium delivery-answer', data: { testid: 'delivery-answer' } });
  const attempts = h('td', { class: 'number wide' });
  const next = h('td', { class: 'wide delivery-time' });
  const row = h(
    'tr',
    {
      class: 'row-link',
      data: { testid: 'delivery-row' },
      on: { click: (event) => closestTo(event, 'button, a, .delivery-check') || toggle() },
    },
    h('td', { class: 'delivery-check' }, box),
    h('td', { class: 'delivery-event' }, button, subject),
    h('td', { class: 'delivery-status' }, pill),
    answer,
    attempts,
    h('td', { class: 'medium delivery-time' }, timeElement(initial.created_at)),
    next,
  );
  const detail = deliveryDetail(webhookId);
  const detailRow = h('tr', { class: 'delivery-more' }, h('td', { colspan: COLUMNS }, detail.element));

  /** @param {boolean} paused */
  const pause = (paused) => {
    const { next_attempt_at: at } = delivery;
    setText(next, at === null ? '–' : paused ? t('webhooks.list.once_on') : formatAhead(at));
  };
  /**
   * @param {Delivery} latest
   * @param {boolean} paused
   */
  function show(latest, paused) {
    const before = delivery;
    delivery = latest;
    const { word, shape, tone } = STATUSES[latest.status];
    // A pending delivery that has failed before looks different from one that is new.
    const look = `pill pill-${latest.status === 'pending' && latest.attempts.length ? 'warning' : tone}`;
    if (pill.className !== look) {
      pill.className = look;
      fill(pill, icon(shape), h('span', { text: word }));
    }
    const last = latest.attempts.at(-1);
    setText(
      answer,
      last
        ? `${last.status_code ?? t('webhooks.delivery.no_answer')} · ${formatDuration(last.response_time_ms / 1000)}`
        : '–',
    );
    setText(attempts, formatNumber(latest.attempts.length));
    pause(paused);
    if (open && (before.attempts.length !== latest.attempts.length || before.status !== latest.status)) {
      detail.show(latest);
    }
  }

  function toggle() {
    open = !open;
    button.setAttribute('aria-expanded', String(open));
    row.classList.toggle('is-open', open);
    if (!open) return void detailRow.remove();
    row.after(detailRow);
    return detail.load(delivery);
  }
  /** @param {boolean} selected */
  const select = (selected) => {
    box.checked = selected;
    row.classList.toggle('is-selected', selected);
  };
  return { show, pause, select, elements: () => (open ? [row, detailRow] : [row]), isOpen: () => open };
}

/** @param {Delivery} delivery */
function subjectOf({ subject }) {
  if (!subject) return null;
  const text = subject.name ?? t('webhooks.list.unknown_import');
  const href = addressOfSubject(subject);
  return href ? h('a', { href, text, title: text }) : h('span', { class: 'muted', text });
}

/**
 * @param {DeliverySubject} subject
 * @returns {string | null} the address on this page of what an event is about; null if there is none
 */
export function addressOfSubject({ type, id, name }) {
  if (type === 'product' && name) return `#/products?${new URLSearchParams({ sku: name })}`;
  return type === 'import' && id && name ? `#/imports/${encodeURIComponent(id)}` : null;
}
