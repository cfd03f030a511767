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
  return showDialog({ title, content }).element;
}

/**
 * Opens a dialog.
 * @param {object} options
 * @param {string} options.title
 * @param {(Node|string)[]} options.content
 * @param {Node} [options.footer] stays in view under the content
 * @param {string} [options.testid]
 * @param {string} [options.role] "alertdialog" for a question that must be answered
 * @param {() => boolean} [options.mayClose] asked before Esc, the cross or the backdrop close it
 * @param {() => void} [options.onClose]
 * @returns {{element: HTMLDialogElement, setTitle: (title: string) => void, close: () => void}} close asks nobody
 */
export function showDialog({ title, content, footer, testid, role, mayClose = () => true, onClose }) {
  serial += 1;
  const titleId = `dialog-title-${serial}`;
  const heading = h('h2', { id: titleId, text: title, dir: 'auto' });
  const leave = () => mayClose() && close();
  // Without a footer nothing in the body may take the focus, so the body itself does, for the arrow keys.
  const focusable = footer ? {} : { tabindex: '0', role: 'group', 'aria-labelledby': titleId };
  const dialog = h('dialog', { class: 'dialog', role, 'aria-labelledby': titleId, data: testid ? { testid } : {} },
    h('div', { class: 'dialog-head' }, heading,
      h('button', { class: 'icon-button', type: 'button', 'aria-label': 'Close', title: 'Close (Esc)', on: { click: leave } }, icon('cross'))),
    h('div', { class: 'dialog-body', ...focusable }, ...content),
    footer ? h('div', { class: 'dialog-foot' }, footer) : null);
  let closed = false;
  const close = () => {
    closed = true;
    dialog.close();
  };
  // Chromium lets a second Esc pass whatever "cancel" says, so the key itself is taken.
  dialog.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || event.defaultPrevented) return;
    event.preventDefault();
    leave();
  });
  dialog.addEventListener('cancel', (event) => {
    event.preventDefault();
    leave();
  });
  dialog.addEventListener('close', () => {
    // A gesture of the system may close it all the same.
    if (!closed && !mayClose()) return dialog.showModal();
    dialog.remove();
    return onClose?.();
  });
  // Only the backdrop has the dialog itself as its target; the content fills the rest.
  dialog.addEventListener('pointerdown', (event) => event.target === dialog && leave());
  document.body.append(dialog);
  dialog.showModal();
  return { element: dialog, close, setTitle: (text) => { heading.textContent = text; } };
}

/** Closes what is open, for when something more urgent happens; what holds unsaved work asks first. */
export function closeDialogs() {
  for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close();
}
