// Inline editing. An editor closes at once and its value is saved in the background. If the save fails, the editor
// opens again with the text.

import { announce } from '../core/announcer.js';
import { h } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { FIELD_LABELS, changedFields, createConflictChoice } from './edit-conflict.js';
import { showSaving } from './pending-cells.js';
import { TEXT_FIELDS, isTextField } from './row.js';
import { describeSaveError, saveProduct } from './save-queue.js';

/** @import { Product } from '../core/types.d.ts' */
/** @import { FieldName, TextField } from './edit-conflict.js' */
/** @import { Row } from './row.js' */

/**
 * An open editor, or an open error note of a switch.
 * @typedef {object} Edit
 * @property {Row} row
 * @property {FieldName} field
 * @property {() => Product} [version] returns the version that was edited
 * @property {() => void} focus
 * @property {() => string | boolean} value
 * @property {string} [problem] why the last save failed
 * @property {boolean} failed
 * @property {() => boolean} isUnchanged
 * @property {() => void} close
 */

/**
 * Why an editor opens again after a save.
 * @typedef {object} Failure
 * @property {string} [problem] message of the error
 * @property {Product} [latest] the version of another client
 * @property {() => Product} [version] returns the version that was edited
 * @property {boolean} [takeFocus]
 */

const CHANGED_BY_OTHERS = t('products.edit.changed_by_others');

/**
 * Create inline editing for the rows of a grid.
 * @param {object} host
 * @param {() => Row[]} host.rowsInOrder
 * @param {(row: Row, column: FieldName) => void} host.focus
 * @param {(product: Product) => void} host.onSeen called when the version of another client is shown
 * @param {(product: Product, field: FieldName, value: string | boolean, problem: string) => void} host.onOrphan called
 *   if a value could not be saved and its row is no longer shown
 */
export function createCellEditing(host) {
  /** @type {Map<string, Edit>} */
  const edits = new Map();
  /**
   * @param {Row} row
   * @param {FieldName} field
   */
  const keyOf = (row, field) => `${row.product.id} ${field}`;

  /**
   * @param {Row} row
   * @param {TextField} field
   */
  function edit(row, field) {
    const known = edits.get(keyOf(row, field));
    if (known) return known.focus();
    return openEditor(row, field, row.value(field));
  }

  /**
   * Open an editor, or open it again with the typed text.
   * @param {Row} row
   * @param {TextField} field
   * @param {string} text
   * @param {Failure} [failure]
   */
  function openEditor(row, field, text, { problem, latest, version = versionFor(row, field), takeFocus = true } = {}) {
    const cell = row.cells[field];
    const input = createInput(field, text);
    const initial = input.value;
    const failed = Boolean(problem || latest);
    const overlay = h('div', { class: 'cell-overlay' }, input);
    if (latest) overlay.append(createConflict(row, field, () => input.value, latest));
    else if (problem) overlay.append(errorNote(problem));
    if (problem) input.setAttribute('aria-invalid', 'true');
    cell.append(overlay);
    cell.classList.add('is-editing');
    const isUnchanged = () => input.value === initial;
    let closed = false;
    const close = () => {
      closed = true;
      edits.delete(keyOf(row, field));
      overlay.remove();
      cell.classList.remove('is-editing');
    };
    const cancel = () => {
      close();
      if (failed) row.setState(field, '');
      if (latest) see(row, latest);
    };
    const commit = () => {
      const value = input.value;
      close();
      if (!failed && isUnchanged()) return;
      if (value === row.product[field]) row.setState(field, '');
      else save(row, field, value, version);
    };
    /**
     * @param {Row | undefined} target
     * @param {TextField | undefined} column
     */
    const move = (target, column) => {
      if (target && isTextField(column)) edit(target, column);
      else host.focus(row, field);
    };
    edits.set(keyOf(row, field), {
      row,
      field,
      version,
      focus: () => input.focus(),
      value: () => input.value,
      problem,
      failed,
      isUnchanged,
      close,
    });

    overlay.addEventListener('keydown', (event) => {
      if (event.isComposing) return;
      if (event.key === 'Escape') {
        cancel();
        host.focus(row, field);
      } else if (event.target !== input) {
        return;
      } else if (event.key === 'Enter' && latest) {
        // A second Enter must not overwrite the other client's value.
        overlay.querySelector('button')?.focus();
      } else if (event.key === 'Enter' && !(event.shiftKey && input.tagName === 'TEXTAREA')) {
        commit();
        host.focus(row, field);
      } else if (event.key === 'Tab' && !latest) {
        const [target, column] = neighbour(row, field, event.shiftKey ? -1 : 1);
        commit();
        move(target, column);
      } else {
        return;
      }
      event.preventDefault();
      event.stopPropagation();
    });
    overlay.addEventListener('focusout', (event) => {
      // Another window, or a part of this editor, has the focus: keep editing.
      const target = event.relatedTarget instanceof Node ? event.relatedTarget : null;
      if (closed || !document.hasFocus() || overlay.contains(target)) return;
      // A refused value is not sent again unchanged.
      if (latest || (failed && isUnchanged())) return;
      commit();
    });
    if (takeFocus) focusText(input);
    overlay.scrollIntoView({ block: 'nearest' });
  }

  // The row may accept a newer version while the editor covers the value. A change of this field by another client must
  // not be overwritten unseen; changes of other fields do not matter.
  /**
   * @param {Row} row
   * @param {FieldName} field
   */
  function versionFor(row, field) {
    const [seen, product] = [row.value(field), row.product];
    return () => (row.product[field] === seen ? row.product : product);
  }

  /**
   * @param {Row} row
   * @param {TextField} field
   * @param {1 | -1} step
   * @returns {[row: Row | undefined, field: TextField | undefined]}
   */
  function neighbour(row, field, step) {
    const rows = host.rowsInOrder();
    const fields = TEXT_FIELDS.filter((name) => row.cells[name].checkVisibility());
    const at = rows.indexOf(row) * fields.length + fields.indexOf(field) + step;
    return [rows[Math.floor(at / fields.length)], fields.at(at % fields.length)];
  }

  /**
   * Save a value and show it meanwhile. If the save fails, open the editor again.
   * @param {Row} row
   * @param {FieldName} field
   * @param {string | boolean} value
   * @param {() => Product} [version]
   */
  async function save(row, field, value, version = () => row.product) {
    const end = showSaving(row, field, value);
    const { product, latest, error } = await saveProduct(row.product.id, { [field]: value }, version);
    if (product) row.update(product);
    if (!end(product ? 'saved' : 'failed')) return;
    if (product) {
      announce(t('products.saved'));
      return;
    }
    const problem = latest ? undefined : describeSaveError(error, field);
    if (!row.element.isConnected) {
      host.onOrphan(row.product, field, value, problem ?? CHANGED_BY_OTHERS);
    } else if (field === 'active') openNote(row, value, { problem, latest });
    else openEditor(row, field, String(value), { problem, latest, version, takeFocus: isFree(row.cells[field]) });
  }

  /**
   * Open an error note at the switch, which has no editor.
   * @param {Row} row
   * @param {string | boolean} value
   * @param {Failure} failure
   */
  function openNote(row, value, { problem, latest }) {
    const close = () => {
      edits.delete(keyOf(row, 'active'));
      overlay.remove();
      row.cells.active.classList.remove('is-editing');
    };
    const dismiss = () => {
      close();
      row.setState('active', '');
      if (latest) see(row, latest);
      host.focus(row, 'active');
    };
    const retry = () => {
      close();
      host.focus(row, 'active');
      save(row, 'active', value);
    };
    const overlay = h(
      'div',
      { class: 'cell-overlay cell-overlay-end' },
      latest
        ? createConflict(row, 'active', () => value, latest)
        : errorNote(
            problem ?? '',
            smallButton(t('products.try_again'), retry),
            smallButton(t('products.dismiss'), dismiss),
          ),
    );
    overlay.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      dismiss();
    });
    edits.get(keyOf(row, 'active'))?.close();
    row.cells.active.append(overlay);
    row.cells.active.classList.add('is-editing');
    edits.set(keyOf(row, 'active'), {
      row,
      field: 'active',
      failed: true,
      problem,
      isUnchanged: () => true,
      value: () => value,
      focus: () => {},
      close,
    });
    overlay.scrollIntoView({ block: 'nearest' });
  }

  /**
   * @param {Row} row
   * @param {Product} latest
   */
  function see(row, latest) {
    row.update(latest);
    host.onSeen(latest);
  }

  /**
   * @param {Row} row
   * @param {FieldName} field
   * @param {() => string | boolean} mine
   * @param {Product} latest
   */
  function createConflict(row, field, mine, latest) {
    const known = row.product;
    const finish = () => {
      edits.get(keyOf(row, field))?.close();
      host.focus(row, field);
    };
    return createConflictChoice({
      fields: [{ field, theirs: latest[field], mine: mine() }],
      others: changedFields(known, latest).filter((name) => name !== field),
      onMine: () => {
        const value = mine();
        finish();
        // The user has seen this version of the other client, or a later one.
        save(row, field, value, () => (row.product.updated_at > latest.updated_at ? row.product : latest));
      },
      onTheirs: () => {
        finish();
        row.setState(field, '');
        see(row, latest);
      },
    });
  }

  return {
    edit,
    /** @param {Row} row */
    toggle: (row) =>
      !edits.has(keyOf(row, 'active')) &&
      save(row, 'active', row.focusable('active').getAttribute('aria-checked') !== 'true'),
    /**
     * Close the editors of a row that leaves the page: save typed text, and report text that could not be saved.
     * @param {Row} row
     */
    release(row) {
      for (const entry of [...edits.values()].filter((candidate) => candidate.row === row)) {
        const value = entry.value();
        entry.close();
        if (entry.failed && entry.isUnchanged()) {
          host.onOrphan(row.product, entry.field, value, entry.problem ?? CHANGED_BY_OTHERS);
        } else if (!entry.isUnchanged()) save(row, entry.field, value, entry.version);
      }
    },
    isOpen: () => edits.size > 0,
  };
}

/**
 * @param {TextField} field
 * @param {string} text
 * @returns {HTMLInputElement | HTMLTextAreaElement}
 */
function createInput(field, text) {
  const common = {
    class: 'cell-editor',
    'aria-label': FIELD_LABELS[field],
    dir: 'auto',
    spellcheck: 'false',
    autocomplete: 'off',
    value: text,
    data: { testid: 'cell-editor' },
  };
  // A one-line input would drop the line breaks of a value.
  if (field === 'description' || /[\r\n]/.test(text)) return h('textarea', { ...common, rows: 4 });
  return h('input', { ...common, type: 'text' });
}

/**
 * Focus an editor with the caret at the end of its text. If the text were selected, typing would replace it.
 * @param {HTMLInputElement | HTMLTextAreaElement} input
 */
function focusText(input) {
  input.focus();
  input.setSelectionRange(input.value.length, input.value.length);
}

/**
 * @param {string} problem
 * @param {...HTMLElement} actions
 */
function errorNote(problem, ...actions) {
  return h(
    'div',
    { class: 'cell-error', role: 'alert', data: { testid: 'cell-error' } },
    h('p', { message: problem }),
    actions.length ? h('div', { class: 'conflict-actions' }, actions) : null,
  );
}

/**
 * @param {string} text
 * @param {() => void} run
 */
function smallButton(text, run) {
  return h('button', { class: 'button button-small', type: 'button', text, on: { click: run } });
}

/**
 * @param {HTMLElement} cell
 * @returns {boolean} whether the cell may take the focus, because the user has not moved it elsewhere
 */
function isFree(cell) {
  return !document.activeElement || document.activeElement === document.body || cell.contains(document.activeElement);
}
