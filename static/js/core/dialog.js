// Native modal dialogs. Esc and Back close them, and the browser restores the focus.

import { addDialog, pushAddress, removeDialog } from './dialog-history.js';
import { closestTo, h } from './dom.js';
import { t } from './i18n.js';
import { icon } from './icons.js';

let serial = 0;

/** @import { Child } from './dom.js' */

/**
 * Open a dialog that only shows something.
 * @param {string} title
 * @param {...Child} content
 * @returns {HTMLDialogElement}
 */
export function openDialog(title, ...content) {
  return showDialog({ title, content }).element;
}

/**
 * @typedef {object} Dialog
 * @property {HTMLDialogElement} element
 * @property {(title: string) => void} setTitle
 * @property {() => void} close Close it without calling `mayClose`.
 */

/**
 * Open a dialog.
 * @param {object} options
 * @param {string} options.title
 * @param {Child[]} options.content
 * @param {Child} [options.headActions] buttons between the title and the cross
 * @param {string} [options.address] an address of its own, such as "#/products/42"; the screen opens it again
 * @param {Node} [options.footer] stays visible below the content
 * @param {string} [options.testid]
 * @param {string} [options.role] "alertdialog" for a question that must be answered
 * @param {boolean} [options.hasCross] whether there is a button that closes it
 * @param {() => boolean} [options.mayClose] called before Esc, Back, the cross, the backdrop or a link
 *   to another screen closes the dialog
 * @param {() => void} [options.onClose]
 * @returns {Dialog}
 */
export function showDialog(options) {
  const { title, content, headActions, address, footer, testid, role, hasCross = true, onClose } = options;
  const { mayClose = () => true } = options;
  serial += 1;
  const titleId = `dialog-title-${serial}`;
  const heading = h('h2', { id: titleId, text: title, dir: 'auto' });
  const leave = () => {
    if (mayClose()) close();
  };
  // Without a footer, the content may have nothing to focus. The body then takes the focus, so that arrow keys scroll.
  const focusable = footer ? {} : { tabindex: '0', role: 'group', 'aria-labelledby': titleId };
  const dialog = h(
    'dialog',
    { class: 'dialog', role, 'aria-labelledby': titleId, data: testid ? { testid } : {} },
    h(
      'div',
      { class: 'dialog-head' },
      heading,
      headActions,
      hasCross &&
        h(
          'button',
          {
            class: 'icon-button',
            type: 'button',
            'aria-label': t('common.close'),
            title: t('core.dialog.close_hint'),
            on: { click: leave },
          },
          icon('cross'),
        ),
    ),
    h('div', { class: 'dialog-body', ...focusable }, ...content),
    footer ? h('div', { class: 'dialog-foot' }, footer) : null,
  );
  let isClosed = false;
  const open = { leave, address };
  const close = () => {
    isClosed = true;
    dialog.close();
    // The event "close" comes later. Until then its fields would take the next keys, and have the ids of those of a
    // dialog that opens now.
    dialog.remove();
    removeDialog(open);
  };
  // Chromium closes the dialog on a second Esc even if "cancel" is prevented, so the key itself is handled.
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
    // A gesture of the operating system can close the dialog although "cancel" is prevented.
    if (!isClosed && !mayClose()) return dialog.showModal();
    dialog.remove();
    removeDialog(open);
    return onClose?.();
  });
  dialog.addEventListener('click', (event) => {
    const target = closestTo(event, 'a[href^="#"]')?.getAttribute('href');
    if (!target || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    leave();
    if (isClosed) pushAddress(target);
  });
  // Only a click on the backdrop has the dialog itself as its target: the content fills the rest. The second click of a
  // double click may be on the button that opened the dialog.
  dialog.addEventListener('mousedown', (event) => event.target === dialog && event.detail < 2 && leave());
  document.body.append(dialog);
  dialog.showModal();
  addDialog(open);
  return {
    element: dialog,
    close,
    setTitle: (text) => {
      heading.textContent = text;
    },
  };
}

/** Close all dialogs because something more urgent happens. Dialogs with unsaved work ask first. */
export function closeDialogs() {
  for (const dialog of document.querySelectorAll('dialog')) dialog.close();
}
