// The history of a product in its dialog: who or what changed which field, newest first, and a button that brings a
// value back.

import { getJson, messageOf, nextStep } from '../core/api.js';
import { buildBanner } from '../core/banner.js';
import { fill, h, setText } from '../core/dom.js';
import { t, tRich } from '../core/i18n.js';
import { may } from '../core/session.js';
import { compareTexts } from '../core/text-changes.js';
import { timeElement } from '../core/widgets.js';
import { FIELDS, FIELD_LABELS } from './edit-conflict.js';
import { addressOf } from './save-queue.js';

/** @import { Child } from '../core/dom.js' */
/** @import { FieldValue, Product, ProductHistory, ProductHistoryChange } from '../core/types.d.ts' */
/** @import { FieldName } from './edit-conflict.js' */

/** @typedef {(field: FieldName, value: string | boolean) => void} Restore */

const PER_PAGE = 10;
/** A longer value, or one with more lines, is folded. */
const FOLDED_CHARACTERS = 200;
const FOLDED_LINES = 3;
const SHOWN_CHARACTERS = 20_000;

/** @type {Record<NonNullable<ProductHistoryChange['how']>, string>} */
const WAYS = {
  page: t('products.history.way.page'),
  api: t('products.history.way.api'),
  import: t('products.history.way.import'),
  bulk: t('products.history.way.bulk'),
  undo: t('products.history.way.undo'),
};

/**
 * Create the history.
 * @param {object} options
 * @param {number} options.id of the product
 * @param {Restore} options.onRestore
 * @returns {{element: HTMLElement, load: () => Promise<void>, show: (product: Product) => void, focus: () => void}}
 *   `show` takes the present values, which need no button
 */
export function createProductHistory({ id, onRestore }) {
  /** @type {ProductHistoryChange[]} */
  let changes = [];
  /** @type {Product | null} */
  let present = null;
  let wanted = 0;
  const heading = h('h3', { id: 'product-history', tabindex: '-1', text: t('products.history.title') });
  const list = h('ol', { class: 'history-list', data: { testid: 'product-history' } });
  const status = h('p', { class: 'muted', role: 'status', text: t('products.loading') });
  const problem = h('div', {});
  const more = h('button', {
    class: 'button button-small',
    type: 'button',
    text: t('products.history.more'),
    hidden: true,
    data: { testid: 'history-more' },
  });
  let page = 1;
  more.addEventListener('click', () => fetchPage(page + 1));
  const activity = may('admin')
    ? h('a', {
        href: `#/activity?${new URLSearchParams({ target: `product:${id}` })}`,
        text: t('products.history.activity'),
        data: { testid: 'product-activity' },
      })
    : null;
  const element = h(
    'section',
    { class: 'product-history', 'aria-labelledby': heading.id },
    h('div', { class: 'history-head' }, heading, activity),
    list,
    status,
    problem,
    more,
  );

  function render() {
    fill(
      list,
      changes.map((change) => createChange(change, present, { onRestore })),
    );
  }

  /** @param {number} number */
  async function fetchPage(number) {
    wanted += 1;
    const turn = wanted;
    problem.replaceChildren();
    setText(status, t('products.loading'));
    try {
      /** @type {ProductHistory} */
      const answer = await getJson(`${addressOf(id)}/history`, { query: { page: number, per_page: PER_PAGE } });
      if (turn !== wanted) return;
      const shown = number === 1 ? 0 : changes.length;
      const { next } = answer.pagination;
      changes = [...changes.slice(0, shown), ...answer.history];
      page = number;
      const hadFocus = document.activeElement === more;
      more.hidden = next === null;
      setText(status, next === null && !answer.complete ? t('products.history.incomplete') : '');
      render();
      // The button has moved or is gone, so the first new change takes the focus.
      const first = hadFocus && list.children[shown];
      if (first instanceof HTMLElement) first.focus();
    } catch (error) {
      if (turn !== wanted) return;
      setText(status, '');
      more.hidden = true;
      problem.replaceChildren(
        buildBanner({
          title: t('products.history.not_loaded', { reason: messageOf(error) }),
          detail: nextStep(error),
          action: { label: t('products.try_again'), run: () => fetchPage(number) },
        }),
      );
    }
  }

  return {
    element,
    load: () => fetchPage(1),
    show(product) {
      present = product;
      render();
    },
    focus: () => heading.focus(),
  };
}

/**
 * @param {ProductHistoryChange} change
 * @param {Product | null} present
 * @param {{onRestore: Restore}} actions
 */
function createChange(change, present, { onRestore }) {
  const { changes } = change;
  return h(
    'li',
    { class: 'history-change', tabindex: '-1', data: { testid: 'history-change' } },
    h('p', { class: 'history-title' }, describeAuthor(change), timeElement(change.at)),
    changes
      ? FIELDS.map((field) => createField(field, changes[field], change, present, onRestore))
      : h('p', { class: 'muted', text: UNKNOWN_VALUES[change.how ?? 'none'] ?? t('products.history.unknown_values') }),
  );
}

/** @type {Record<string, string>} */
const UNKNOWN_VALUES = {
  none: t('products.history.expired'),
  undo: t('products.history.not_kept_values'),
};

/**
 * Return who made a change and how, such as "Ada · import of products.csv · created".
 * @param {ProductHistoryChange} change
 * @returns {HTMLElement}
 */
function describeAuthor({ how, by, import: job, undone, created }) {
  const text = (undone ?? job)?.filename;
  const name = text && h('bdi', { text });
  const target = job ? h('a', { href: addressOfJob(job.task_id) }, name) : name;
  const way = how && describeWay(how, target || null);
  const author = by?.name && h('bdi', { class: 'history-author', text: by.name });
  const parts = [author, way, created && t('products.history.created')].filter(Boolean);
  return h(
    'span',
    {},
    parts.length ? parts.map((part, index) => [index ? ' · ' : null, part]) : t('products.history.unknown'),
  );
}

/**
 * @param {NonNullable<ProductHistoryChange['how']>} how
 * @param {HTMLElement | null} target what was imported or undone, or the bulk change
 * @returns {Child}
 */
function describeWay(how, target) {
  if (!target) return WAYS[how];
  if (how === 'import' || how === 'undo') return tRich(`products.history.way_of.${how}`, { target });
  return how === 'bulk' ? target : WAYS[how];
}

/** @param {string} taskId */
const addressOfJob = (taskId) => `#/imports/${encodeURIComponent(taskId)}/result`;

/**
 * @param {FieldName} field
 * @param {[before: FieldValue, after: FieldValue] | undefined} values
 * @param {ProductHistoryChange} change
 * @param {Product | null} present
 * @param {Restore} onRestore
 * @returns {Child}
 */
function createField(field, values, { created }, present, onRestore) {
  if (!values) return null;
  const [before, after] = values;
  // What a new product does not have says nothing.
  if (created && !after && after !== false) return null;
  const canRestore = before !== null && present && before !== present[field] && may('products:write');
  return h(
    'div',
    { class: 'history-field', data: { testid: `history-${field}` } },
    h('span', { class: 'history-label', text: FIELD_LABELS[field] }),
    createValues(before, after, created),
    canRestore &&
      h('button', {
        class: 'button button-small',
        type: 'button',
        text: t('products.history.restore'),
        'aria-label': t('products.history.restore_label', {
          field,
          value: asText(before).slice(0, 60) || t('products.history.empty'),
        }),
        data: { testid: 'history-restore' },
        on: { click: () => onRestore(field, before) },
      }),
  );
}

/**
 * @param {FieldValue} before
 * @param {FieldValue} after
 * @param {boolean} created
 */
function createValues(before, after, created) {
  const areKnown = before !== null && after !== null;
  const [old, current] = areKnown
    ? compareTexts(asText(before), asText(after), clip)
    : [[clip(asText(before))], [clip(asText(after))]];
  return h(
    'div',
    { class: 'history-values' },
    created
      ? null
      : [
          h('span', { class: 'visually-hidden', text: `${t('products.history.before')} ` }),
          createValue(before, old),
          createArrow(),
        ],
    createValue(after, current),
  );
}

/**
 * @param {FieldValue} value
 * @param {Child[]} content of the value, with its differences
 */
function createValue(value, content) {
  if (value === '' || value === null) {
    return h('span', {
      class: 'muted',
      text: value === null ? t('products.history.not_kept') : t('products.history.empty'),
    });
  }
  const element = h('span', { dir: 'auto' }, content);
  return isLong(value) ? fold(element) : element;
}

const createArrow = () => [
  h('span', { class: 'history-arrow', 'aria-hidden': 'true', text: ' → ' }),
  h('span', { class: 'visually-hidden', text: `${t('products.history.after')} ` }),
];

/**
 * Show only the first lines of a long value until the user wants all of them.
 * @param {HTMLElement} content
 */
function fold(content) {
  content.classList.add('is-folded');
  const button = h('button', {
    class: 'link-button',
    type: 'button',
    text: t('products.history.show_all'),
    'aria-expanded': 'false',
  });
  button.addEventListener('click', () => {
    const isFolded = content.classList.toggle('is-folded');
    button.setAttribute('aria-expanded', String(!isFolded));
    setText(button, isFolded ? t('products.history.show_all') : t('products.history.show_less'));
  });
  return h('span', { class: 'history-foldable' }, content, button);
}

/** @param {FieldValue} value */
const isLong = (value) =>
  typeof value === 'string' && (value.length > FOLDED_CHARACTERS || value.split('\n').length > FOLDED_LINES);

/** @param {FieldValue} value */
const asText = (value) =>
  typeof value === 'boolean' ? (value ? t('products.active') : t('products.inactive')) : (value ?? '');

/** @param {string} text */
const clip = (text) => (text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text);
