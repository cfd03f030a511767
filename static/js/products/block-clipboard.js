// Copy, cut, paste and clear blocks of cells. A paste is one request and one step for Ctrl+Z.

import { NetworkError, hasStatus, messageOf, nextStep } from '../core/api.js';
import { clearBanner, showBanner } from '../core/banner.js';
import { askToConfirm } from '../core/confirm.js';
import { closestTo } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { toast } from '../core/toast.js';
import { sizeOf } from './cell-block.js';
import { readClipboard, toHtml, toTsv } from './clipboard-table.js';
import { FIELDS } from './edit-conflict.js';
import { planClear, planPaste } from './paste-plan.js';
import { reasonOf, showRefusals } from './paste-refusals.js';
import { describeFailed, describeNothing, describeRest, pasteQuestion } from './paste-texts.js';
import { showSaving } from './pending-cells.js';
import { saveProducts } from './save-queue.js';
import { UNDOABLE_COUNT } from './undoable-deletes.js';
import { lastEditAt, undoChanged } from './undoable-edits.js';

/** @import { EditOutcomes, Product } from '../core/types.d.ts' */
/** @import { CellBlock, CellRange } from './cell-block.js' */
/** @import { BlockColumn, PastePlan, PlanRow, PlannedEdit, Refusal } from './paste-plan.js' */
/** @import { Purpose } from './paste-texts.js' */
/** @import { Row } from './row.js' */

/**
 * What the clipboard needs of the table.
 * @typedef {object} ClipboardGrid
 * @property {HTMLElement} element
 * @property {CellBlock} block
 * @property {(id: number) => Row | undefined} row
 * @property {() => Row[]} rowsInOrder
 * @property {() => void} focus Focus the cell that was focused last.
 */

/**
 * What a person saw of a product when they pasted: its version, and the values that the row showed.
 * @typedef {{version: Product, shown: Product}} Seen
 */

const BANNER_KEY = 'products-paste';
const VIEWERS_READ = {
  key: BANNER_KEY,
  tone: /** @type {const} */ ('warning'),
  title: t('products.paste.viewers'),
  detail: t('products.paste.viewers_advice'),
};

/**
 * Follow the clipboard events of a table.
 * @param {object} host
 * @param {ClipboardGrid} host.grid
 * @param {boolean} host.mayEdit
 * @param {(product: Product) => void} host.onSeen called when the version of another client is shown
 * @param {() => void} host.onUndo
 * @returns {() => void} a function that stops it
 */
export function installBlockClipboard({ grid, mayEdit, onSeen, onUndo }) {
  const { block } = grid;

  /** What the last paste did not save. Its cells are marked until the next one. @type {PlannedEdit[]} */
  let failed = [];

  function clearMarks() {
    for (const { id, values } of failed) {
      const row = grid.row(id);
      const marked = FIELDS.filter((field) => field in values && row?.cells[field].classList.contains('is-failed'));
      marked.forEach((field) => row?.setState(field, ''));
    }
    failed = [];
  }

  /** @param {Event} event @returns {CellRange | null} the cells that the event is about */
  function rangeOf(event) {
    const isElsewhere = closestTo(event, 'textarea, select, input:not([type=checkbox])');
    return isElsewhere || document.querySelector('dialog[open]') ? null : block.range();
  }

  /** @param {ClipboardEvent} event */
  function copy(event) {
    const range = rangeOf(event);
    // A text that is selected within a cell is copied as usual.
    if (!range || !event.clipboardData || !window.getSelection()?.isCollapsed) return;
    event.preventDefault();
    const table = range.rows.map((row) => range.columns.map((column) => textOf(row, column)));
    event.clipboardData.setData('text/plain', toTsv(table));
    event.clipboardData.setData('text/html', toHtml(table));
    toast(t('products.block.copied', { size: sizeOf(range) }));
  }

  /** @param {ClipboardEvent} event */
  function cut(event) {
    const range = rangeOf(event);
    copy(event);
    if (range && event.defaultPrevented) clear(range);
  }

  /** @param {ClipboardEvent} event */
  function paste(event) {
    const range = rangeOf(event);
    if (!range) return;
    event.preventDefault();
    if (!mayEdit) return void showBanner(VIEWERS_READ);
    const table = readClipboard(event.clipboardData);
    if (!table.length) return void toast(t('products.paste.no_text'), { shape: 'alert' });
    const rows = grid.rowsInOrder();
    const shown = block.columns();
    const [top, left] = [rows.indexOf(/** @type {Row} */ (range.rows[0])), shown.indexOf(range.columns[0] ?? 'sku')];
    const size = { rows: range.rows.length, columns: range.columns.length };
    apply(planPaste(table, rows.slice(top).map(planRow), shown.slice(left), size), 'paste');
  }

  /** @param {CellRange} range */
  function clear(range) {
    if (mayEdit) apply(planClear(range.rows.map(planRow), range.columns), 'clear');
    else showBanner(VIEWERS_READ);
  }

  /** @param {KeyboardEvent} event */
  function onKey(event) {
    const isClear = (event.key === 'Delete' || event.key === 'Backspace') && !event.ctrlKey && !event.metaKey;
    const range = isClear && !event.altKey && !event.shiftKey && !event.defaultPrevented ? rangeOf(event) : null;
    if (!range) return;
    event.preventDefault();
    clear(range);
  }

  /**
   * Carry out a plan, after a question if it changes many products.
   * @param {PastePlan} plan
   * @param {Purpose} purpose
   */
  async function apply(plan, purpose) {
    clearBanner(BANNER_KEY);
    clearMarks();
    const count = plan.edits.length;
    if (!count && !describeRest(plan).length) return void toast(describeNothing(purpose), { shape: 'alert' });
    const seen = new Map(plan.edits.map(({ id }) => [id, seenOf(grid.row(id))]));
    if (count <= UNDOABLE_COUNT) return attempt(plan, seen);
    const outcomes = await askToConfirm({
      ...pasteQuestion(plan, purpose),
      isDangerous: false,
      run: () => save(plan.edits, seen),
    });
    return outcomes && report(plan, outcomes);
  }

  /**
   * @param {PastePlan} plan
   * @param {Map<number, Seen | null>} seen
   */
  async function attempt(plan, seen) {
    clearBanner(BANNER_KEY);
    try {
      report(plan, plan.edits.length ? await save(plan.edits, seen) : []);
    } catch (error) {
      showBanner({
        key: BANNER_KEY,
        title: t('products.paste.not_changed', { count: plan.edits.length, reason: messageOf(error) }),
        detail: error instanceof NetworkError ? t('products.paste.kept') : nextStep(error),
        action: { label: t('products.try_again'), run: () => fromButton(() => attempt(plan, seen)) },
      });
    }
  }

  /**
   * Save edits and show them meanwhile.
   * @param {PlannedEdit[]} edits
   * @param {Map<number, Seen | null>} seen
   * @returns {Promise<EditOutcomes['outcomes']>}
   * @throws what the request throws
   */
  async function save(edits, seen) {
    const shown = new Map(edits.map(({ id, values }) => [id, showEdit(grid.row(id), values)]));
    const { answer, error } = await saveProducts(
      edits.map(({ id, values }) => ({ id, changes: values, version: () => versionOf(id, values, seen.get(id)) })),
    );
    for (const { id, product, outcome } of answer?.outcomes ?? []) {
      if (product) grid.row(id)?.update(product);
      if (product && outcome === 'refused') onSeen(product);
      shown.get(id)?.(outcome === 'refused' ? 'failed' : 'saved');
    }
    if (!answer) shown.forEach((end) => end('failed'));
    failed = edits.filter(({ id }) => answer?.outcomes.find((entry) => entry.id === id)?.outcome !== 'changed');
    if (answer) return answer.outcomes;
    throw hasStatus(error, 413)
      ? new Error('The texts are too large for one request. Paste fewer cells at once.')
      : error;
  }

  /**
   * Return the version to overwrite: the latest one, unless somebody else has changed a value that the person saw.
   * @param {number} id
   * @param {PlannedEdit['values']} values
   * @param {Seen | null | undefined} seen
   */
  function versionOf(id, values, seen) {
    const latest = grid.row(id)?.product;
    const isKnown = FIELDS.every((field) => !(field in values) || latest?.[field] === seen?.shown[field]);
    return (isKnown ? latest : seen?.version) ?? { updated_at: '' };
  }

  /**
   * @param {PastePlan} plan
   * @param {EditOutcomes['outcomes']} outcomes
   */
  function report(plan, outcomes) {
    const refused = outcomes.filter(({ outcome }) => outcome === 'refused');
    const changed = outcomes.length - refused.length;
    if (changed) reportChanged(changed);
    /** @type {(Pick<Refusal, 'id' | 'sku' | 'reason'> & Partial<Refusal>)[]} */
    const refusals = [
      ...plan.refusals,
      ...refused.map(({ id, error, product }) => ({
        id,
        sku: product?.sku ?? grid.row(id)?.product.sku ?? '',
        reason: reasonOf(error),
      })),
    ];
    const places = new Map(grid.rowsInOrder().map((row, index) => [row.product.id, index]));
    refusals.sort((one, other) => (places.get(one.id) ?? 0) - (places.get(other.id) ?? 0));
    const count = new Set(refusals.map(({ id }) => id)).size;
    const total = new Set([...plan.edits, ...plan.refusals].map(({ id }) => id)).size;
    const rest = describeRest({ ...plan, refusals: [] });
    if (!count && !rest.length) return;
    const fits = plan.rowsLeftOut ? t('products.paste.next_page') : '';
    const isPartly = plan.refusals.some(({ id }) =>
      outcomes.some((entry) => entry.id === id && entry.outcome !== 'refused'),
    );
    const title = count ? describeFailed(count, total, isPartly) : (rest.shift() ?? '');
    showBanner({
      key: BANNER_KEY,
      tone: 'warning',
      title,
      detail: [refusals.length === 1 && refusals[0]?.reason, ...rest, fits].filter(Boolean).join(' '),
      action: count ? { label: t('products.offer.show'), run: () => showRefusals(title, refusals) } : undefined,
    });
  }

  /**
   * Do what a button asks for. It disappears, so the table takes the focus.
   * @param {() => unknown} work
   */
  function fromButton(work) {
    grid.focus();
    work();
  }

  /** @param {number} count of products */
  function reportChanged(count) {
    const at = lastEditAt();
    const notice = toast(t('products.paste.changed', { count }), {
      label: t('products.undo.label'),
      run: () => fromButton(onUndo),
      testid: 'undo-paste',
    });
    const stop = undoChanged.subscribe(() => {
      if (lastEditAt() === at) return;
      // The button would undo something else.
      notice.remove();
      stop();
    });
  }

  document.addEventListener('copy', copy);
  document.addEventListener('cut', cut);
  document.addEventListener('paste', paste);
  grid.element.addEventListener('keydown', onKey);
  return () => {
    document.removeEventListener('copy', copy);
    document.removeEventListener('cut', cut);
    document.removeEventListener('paste', paste);
    clearBanner(BANNER_KEY);
  };
}

/**
 * @param {Row} row
 * @param {BlockColumn} column
 */
function textOf(row, column) {
  if (column === 'updated_at') return row.product.updated_at;
  const value = row.value(column);
  return typeof value === 'boolean' ? String(value).toUpperCase() : value;
}

/** @param {Row | undefined} row @returns {Seen | null} */
const seenOf = (row) => (row ? { version: row.product, shown: planRow(row).shown } : null);

/** @param {Row} row @returns {PlanRow} */
const planRow = (row) => ({
  id: row.product.id,
  shown: { ...row.product, ...Object.fromEntries(FIELDS.map((field) => [field, row.value(field)])) },
});

/**
 * @param {Row | undefined} row
 * @param {PlannedEdit['values']} values
 * @returns {(state: 'saved' | 'failed') => void} shows how the save has ended
 */
function showEdit(row, values) {
  const ends = FIELDS.flatMap((field) => {
    const value = values[field];
    return row && value !== undefined ? [showSaving(row, field, value)] : [];
  });
  return (state) => ends.forEach((end) => end(state));
}
