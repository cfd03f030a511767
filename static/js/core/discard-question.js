// The question at the foot of a dialog whether what was typed in it is to be discarded.

import { h } from './dom.js';
import { t } from './i18n.js';

/**
 * Create the question. It takes the place of the dialog's buttons while it is shown.
 * @param {object} options
 * @param {HTMLElement} options.actions the buttons of the dialog
 * @param {() => boolean} options.isChanged whether there is anything to discard
 * @param {() => void} options.onKeep called after "Keep editing"
 * @param {() => void} options.onDiscard
 * @returns {{element: HTMLElement, mayClose: () => boolean}} `mayClose` asks if something would be lost; called again,
 *   it answers with "Keep editing"
 */
export function createDiscardQuestion({ actions, isChanged, onKeep, onDiscard }) {
  const keep = h('button', {
    class: 'button',
    type: 'button',
    text: t('core.discard.keep'),
    data: { testid: 'discard-keep' },
    on: { click: () => ask(false) },
  });
  const element = h(
    'div',
    {
      class: 'discard-ask',
      hidden: true,
      role: 'alertdialog',
      'aria-label': t('core.discard.label'),
      data: { testid: 'discard-ask' },
    },
    h('p', { text: t('core.discard.question') }),
    h(
      'div',
      { class: 'dialog-actions' },
      keep,
      h('button', {
        class: 'button button-danger',
        type: 'button',
        text: t('core.discard.discard'),
        data: { testid: 'discard-changes' },
        on: { click: onDiscard },
      }),
    ),
  );
  /** @param {boolean} wanted */
  const ask = (wanted) => {
    element.hidden = !wanted;
    Object.assign(actions, { hidden: wanted });
    if (wanted) keep.focus();
    else onKeep();
  };
  const mayClose = () => {
    if (!isChanged()) return true;
    ask(Boolean(element.hidden));
    return false;
  };
  return { element, mayClose };
}
