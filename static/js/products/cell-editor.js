// Editing in the cells. An edit closes at once and is sent in the background; what the server does not take comes back
// into its cell.

import { announce } from '../core/announcer.js';
import { h } from '../core/dom.js';
import { FIELD_LABELS, changedFields, conflictChoice } from './edit-conflict.js';
import { TEXT_FIELDS } from './row.js';
import { saveProduct, sentenceFor } from './save-queue.js';

/**
 * @param {object} host
 * @param {() => import('./row.js').Row[]} host.rowsInOrder
 * @param {(row: object, column: string) => void} host.focus puts the focus on a cell
 * @param {(product: object) => void} host.onSeen someone else's version of a product is shown now
 * @param {(product: object, field: string, text: string, sentence: string) => void} host.onOrphan a text that was not
 *   saved and has no row any more
 */
export function cellEditing(host) {
  const edits = new Map();
  const tickets = new Map();
  const keyOf = (row, field) => `${row.product.id} ${field}`;

  function edit(row, field) {
    const known = edits.get(keyOf(row, field));
    if (known) return known.focus();
    return openEditor(row, field, row.value(field));
  }

  /** Opens an editor, or opens it again with what was typed in it. */
  function openEditor(
    row,
    field,
    text,
    { sentence, present, version = versionFor(row, field), takeFocus = true } = {},
  ) {
    const cell = row.cells[field];
    const input = control(field, text);
    const initial = input.value;
    const failed = Boolean(sentence || present);
    const overlay = h('div', { class: 'cell-overlay' }, input);
    const note = present ? conflict(row, field, () => input.value, present) : sentence && errorNote(sentence);
    if (note) overlay.append(note);
    if (sentence) input.setAttribute('aria-invalid', 'true');
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
      if (present) see(row, present);
    };
    const commit = () => {
      const value = input.value;
      close();
      if (!failed && isUnchanged()) return;
      if (value === row.product[field]) row.setState(field, '');
      else save(row, field, value, version);
    };
    const move = (column, target = row) => {
      if (target && TEXT_FIELDS.includes(column)) edit(target, column);
      else host.focus(row, field);
    };
    edits.set(keyOf(row, field), {
      row,
      field,
      version,
      focus: () => input.focus(),
      text: () => input.value,
      sentence,
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
      } else if (event.key === 'Enter' && present) {
        // Pressing Enter once more must not overwrite what someone else wrote.
        overlay.querySelector('button').focus();
      } else if (event.key === 'Enter' && !(event.shiftKey && input.tagName === 'TEXTAREA')) {
        commit();
        host.focus(row, field);
      } else if (event.key === 'Tab' && !present) {
        const [target, column] = neighbour(row, field, event.shiftKey ? -1 : 1);
        commit();
        move(column, target);
      } else {
        return;
      }
      event.preventDefault();
      event.stopPropagation();
    });
    overlay.addEventListener('focusout', (event) => {
      // Another window, or a part of this editor, is not elsewhere; what was refused is not sent again unchanged.
      if (closed || !document.hasFocus() || overlay.contains(event.relatedTarget)) return;
      if (present || (failed && isUnchanged())) return;
      commit();
    });
    if (takeFocus) focusText(input, failed);
    overlay.scrollIntoView({ block: 'nearest' });
  }

  // The row may take up a newer version while its editor hides the value. What others made of this very field must not
  // be
  // overwritten by someone who has not seen it; what we or others made of the other fields does not matter.
  function versionFor(row, field) {
    const [seen, product] = [row.value(field), row.product];
    return () => (row.product[field] === seen ? row.product : product);
  }

  function neighbour(row, field, step) {
    const rows = host.rowsInOrder();
    const fields = TEXT_FIELDS.filter((name) => row.cells[name].checkVisibility());
    const at = rows.indexOf(row) * fields.length + fields.indexOf(field) + step;
    return [rows[Math.floor(at / fields.length)], fields.at(at % fields.length)];
  }

  /** Sends a value, shows it meanwhile, and brings it back into the cell when it is not taken. */
  async function save(row, field, value, version = () => row.product) {
    const ticket = Symbol(field);
    tickets.set(keyOf(row, field), ticket);
    row.expect(field, value);
    row.setState(field, 'saving');
    const { product, present, error } = await saveProduct(row.product.id, { [field]: value }, version);
    if (product) row.update(product);
    // A later change of the same cell has the last word.
    if (tickets.get(keyOf(row, field)) !== ticket) return;
    tickets.delete(keyOf(row, field));
    row.expect(field, undefined);
    if (product) {
      row.setState(field, 'saved');
      announce('Saved');
      return;
    }
    row.setState(field, 'failed');
    const sentence = error && sentenceFor(error, field);
    if (!row.element.isConnected) {
      host.onOrphan(row.product, field, value, sentence ?? 'It was changed by someone else meanwhile.');
    } else if (field === 'active') openNote(row, value, { sentence, present });
    else openEditor(row, field, value, { sentence, present, version, takeFocus: isFree(row.cells[field]) });
  }

  /** The switch has no editor; only what went wrong opens at its cell. */
  function openNote(row, value, { sentence, present }) {
    const close = () => {
      edits.delete(keyOf(row, 'active'));
      overlay.remove();
      row.cells.active.classList.remove('is-editing');
    };
    const dismiss = () => {
      close();
      row.setState('active', '');
      if (present) see(row, present);
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
      present
        ? conflict(row, 'active', () => value, present)
        : errorNote(sentence, smallButton('Try again', retry), smallButton('Dismiss', dismiss)),
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
      sentence,
      isUnchanged: () => true,
      text: () => value,
      focus: () => {},
      close,
    });
    overlay.scrollIntoView({ block: 'nearest' });
  }

  function see(row, present) {
    row.update(present);
    host.onSeen(present);
  }

  function conflict(row, field, mine, present) {
    const known = row.product;
    const finish = () => {
      edits.get(keyOf(row, field))?.close();
      host.focus(row, field);
    };
    return conflictChoice({
      fields: [{ field, theirs: present[field], mine: mine() }],
      others: changedFields(known, present).filter((name) => name !== field),
      onMine: () => {
        const value = mine();
        finish();
        // What they wrote is known now; what came after that is not.
        save(row, field, value, () => (row.product.updated_at > present.updated_at ? row.product : present));
      },
      onTheirs: () => {
        finish();
        row.setState(field, '');
        see(row, present);
      },
    });
  }

  return {
    edit,
    toggle: (row) =>
      !edits.has(keyOf(row, 'active')) &&
      save(row, 'active', row.focusable('active').getAttribute('aria-checked') !== 'true'),
    /** A row leaves the page: what is being typed in it is sent, what was refused is told. */
    release(row) {
      for (const entry of [...edits.values()].filter((candidate) => candidate.row === row)) {
        const text = entry.text();
        entry.close();
        if (entry.failed && entry.isUnchanged()) {
          host.onOrphan(row.product, entry.field, text, entry.sentence ?? 'It was changed by someone else meanwhile.');
        } else if (!entry.isUnchanged()) save(row, entry.field, text, entry.version);
      }
    },
    isOpen: () => edits.size > 0,
  };
}

function control(field, text) {
  // A single line would swallow the line breaks that a value has.
  const common = {
    class: 'cell-editor',
    'aria-label': FIELD_LABELS[field],
    dir: 'auto',
    spellcheck: 'false',
    autocomplete: 'off',
    value: text ?? '',
    data: { testid: 'cell-editor' },
  };
  if (field === 'description' || /[\r\n]/.test(text)) return h('textarea', { ...common, rows: 4 });
  return h('input', { ...common, type: 'text' });
}

function focusText(input, keepCaret) {
  input.focus();
  if (input.tagName === 'TEXTAREA' || keepCaret) input.setSelectionRange(input.value.length, input.value.length);
  else input.select();
}

function errorNote(sentence, ...actions) {
  return h(
    'div',
    { class: 'cell-error', role: 'alert', data: { testid: 'cell-error' } },
    h('p', { text: sentence }),
    actions.length ? h('div', { class: 'conflict-actions' }, actions) : null,
  );
}

function smallButton(text, run) {
  return h('button', { class: 'button button-small', type: 'button', text, on: { click: run } });
}

// Someone who has gone on to another place keeps the focus there.
function isFree(cell) {
  return !document.activeElement || document.activeElement === document.body || cell.contains(document.activeElement);
}
