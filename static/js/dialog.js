// Native modal dialogs: Esc closes them and the browser gives the focus back.

import { h } from './dom.js';
import { icon } from './icons.js';

let serial = 0;

/**
 * Opens a dialog that only shows something.
 * @param {string} title
 * @param {...Node} content
 * @returns {HTMLDialogElement}
 */
export function openDialog(title, ...content) {
  serial += 1;
  const titleId = `dialog-title-${serial}`;
  const dialog = h('dialog', { class: 'dialog', 'aria-labelledby': titleId },
    h('div', { class: 'dialog-head' },
      h('h2', { id: titleId, text: title }),
      h('button', { class: 'icon-button', type: 'button', 'aria-label': 'Close', title: 'Close (Esc)', on: { click: () => dialog.close() } },
        icon('cross'))),
    h('div', { class: 'dialog-body', tabindex: '0', role: 'group', 'aria-labelledby': titleId }, ...content));
  dialog.addEventListener('close', () => dialog.remove());
  // Only the backdrop has the dialog itself as its target; the content fills the rest.
  dialog.addEventListener('pointerdown', (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Closes what is open, for when something more urgent happens. */
export function closeDialogs() {
  for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close();
}
