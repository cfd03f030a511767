// The bar at the foot of a check while changes of the file are prepared: applies them all, so that the file is read
// once.

import { fill, h, setText } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { createActionButton } from './action-buttons.js';
import { applyLabel } from './fix-editor.js';

/** @import { FixEditor } from './fix-editor.js' */

/**
 * Create the bar. It is hidden while nothing is prepared.
 * @param {FixEditor} editor
 * @returns {{element: HTMLElement, stop: () => void}}
 */
export function createFixBar(editor) {
  const { drafts } = editor;
  const count = h('p', { class: 'fix-bar-count', role: 'status' });
  const problem = h('p', { class: 'field-error', role: 'alert', data: { testid: 'fix-bar-problem' } });
  const apply = createActionButton('', 'fix-apply-all', async (button) => {
    setText(problem, '');
    setText(problem, await editor.apply(button));
  });
  const element = h(
    'section',
    { class: 'card fix-bar', 'aria-label': t('imports.fix.bar_label'), hidden: true, data: { testid: 'fix-bar' } },
    h('div', { class: 'fix-bar-text' }, count, problem),
    apply,
  );
  const show = () => {
    const { length } = drafts.list();
    element.hidden = !length;
    setText(count, length ? t('imports.fix.bar_count', { count: length }) : '');
    if (!length) setText(problem, '');
    // A busy button has its own text.
    if (apply.getAttribute('aria-disabled') !== 'true') fill(apply, applyLabel(length));
  };
  show();
  return { element, stop: drafts.changed.subscribe(show) };
}
