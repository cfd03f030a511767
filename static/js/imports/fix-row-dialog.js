// The dialog in which a rejected row of the file is corrected.

import { announce } from '../core/announcer.js';
import { showDialog } from '../core/dialog.js';
import { createDiscardQuestion } from '../core/discard-question.js';
import { fill, h, setText } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { createActionButton } from './action-buttons.js';
import { keyOf } from './fix-drafts.js';
import { applyLabel, countWith } from './fix-editor.js';
import { blamedColumn, describeWidth, openingCells } from './row-cells.js';
import { createRowFields } from './row-fields.js';
import { rejectText } from './server-texts.js';

/** @import { RejectedRow } from '../core/types.d.ts' */
/** @import { FixEditor } from './fix-editor.js' */

/**
 * Open the dialog.
 * @param {RejectedRow} reject
 * @param {FixEditor} editor
 */
export function openFixRow(reject, editor) {
  const { line } = reject;
  const { drafts, columns, delimiter } = editor;
  const key = keyOf({ line });
  const known = drafts.get(key);
  const before = openingCells(reject, columns.length, delimiter);
  const initial = known && 'row' in known.fix ? known.fix.row : before;
  const fields = createRowFields({ columns, delimiter, cells: initial, before, reject });
  const isBlamed = blamedColumn(columns, reject) >= 0;
  const problem = h('div', { class: 'dialog-problem', role: 'alert', hidden: true, data: { testid: 'fix-problem' } });
  let busy = false;
  /** @param {string} sentence */
  const showProblem = (sentence) => {
    problem.hidden = !sentence;
    setText(problem, sentence);
    if (sentence) problem.scrollIntoView({ block: 'nearest' });
  };
  const isChanged = () => JSON.stringify(fields.cells()) !== JSON.stringify(initial);
  /** Keep what was entered; return whether it changes anything. */
  const prepare = () => {
    const row = fields.cells();
    const isSame = JSON.stringify(row) === JSON.stringify(reject.cells);
    const fits = row.length === columns.length;
    if (isSame || !fits) {
      showProblem(fits ? t('imports.fix.same_row') : describeWidth(row.length, columns.length));
      return false;
    }
    showProblem('');
    drafts.put({ line, row, before });
    return true;
  };
  const save = async () => {
    if (busy || !prepare()) return;
    busy = true;
    const refusal = await editor.apply(apply, key);
    busy = false;
    if (refusal) showProblem(refusal);
    else dialog.close();
  };
  const apply = createActionButton('', 'fix-apply', () => {});
  fill(apply, applyLabel(countWith(drafts, { line })));
  const actions = h(
    'div',
    { class: 'dialog-actions' },
    createActionButton(t('common.cancel'), 'fix-cancel', () => mayClose() && dialog.close(), ''),
    createActionButton(
      t('imports.fix.prepare_only'),
      'fix-prepare',
      () => {
        if (busy || !prepare()) return;
        announce(t('imports.fix.prepared_line', { line }));
        dialog.close();
      },
      '',
    ),
    apply,
  );
  const question = createDiscardQuestion({
    actions,
    isChanged,
    onKeep: fields.focus,
    onDiscard: () => dialog.close(),
  });
  const mayClose = () => !busy && question.mayClose();
  const form = h(
    'form',
    {
      class: 'fix-row-form',
      id: `fix-line-${line}`,
      novalidate: true,
      on: {
        submit: (event) => {
          event.preventDefault();
          save();
        },
        keydown: (event) => {
          // In a field with several lines, Enter alone starts a new line.
          const isWanted = event.key === 'Enter' && (event.ctrlKey || event.metaKey);
          if (isWanted && event.target instanceof HTMLTextAreaElement) save();
        },
      },
    },
    h(
      'p',
      { class: 'fix-reason', data: { testid: 'fix-reason' } },
      icon('warning', 'tone-warning'),
      h('span', { dir: 'auto', text: rejectText(reject) }),
    ),
    isBlamed
      ? null
      : h('pre', {
          class: 'fix-original',
          tabindex: '0',
          'aria-label': t('imports.fix.row_in_file'),
          text: reject.row,
        }),
    problem,
    fields.element,
  );
  // The button is at the foot of the dialog, outside the form.
  apply.type = 'submit';
  apply.setAttribute('form', form.id);
  const dialog = showDialog({
    title: t('imports.fix.edit_line', { line }),
    content: [form],
    footer: h('div', {}, actions, question.element),
    testid: 'fix-row-dialog',
    mayClose,
  });
  dialog.element.classList.add('dialog-wide');
  const refused = known?.problem ?? '';
  if (refused) showProblem(refused);
  fields.focus();
}
