// The browser's history while dialogs are open. The open dialogs have one entry of their own above that of the screen,
// so Back closes the innermost dialog and the screen stays. A dialog can have an address, which its screen opens again
// after a reload, with Forward, or when somebody follows a link to it.

/**
 * What the page knows about an entry. A new entry has no such state until the page has seen it.
 * @typedef {object} EntryState
 * @property {number} position of the entry; the next one has the next number
 * @property {boolean} isDialog
 * @property {string} [screen] the address of the screen below, if the dialog has an address of its own
 */

/**
 * An open dialog. `leave` closes it, or asks whether what was typed is to be discarded. `address` is one of its own.
 * @typedef {{leave: () => void, address?: string}} OpenDialog
 */

/**
 * The open dialogs, the innermost last.
 * @type {OpenDialog[]}
 */
const dialogs = [];
let position = 0;
let isInstalled = false;
/** Whether the page goes back to the entry of the screen, because the last dialog has closed. */
let isReturning = false;
/** Whether the page goes forward to the entry of a dialog that Back has not closed. */
let isRestoring = false;
/**
 * An address to go to after the return.
 * @type {string | null}
 */
let nextAddress = null;
/**
 * The address of the screen, if it was replaced while a dialog was open.
 * @type {string | null}
 */
let replacedAddress = null;

/** Follow the history from now on. This must be called before other listeners to "hashchange" are added. */
export function installDialogHistory() {
  if (isInstalled) return;
  isInstalled = true;
  window.addEventListener('popstate', onEntry);
  window.addEventListener('hashchange', onAddress, { capture: true });
  const state = currentState();
  if (!state) mark(0);
  else position = state.position;
  // The page was loaded again while a dialog was open.
  if (state?.isDialog && !state.screen) history.back();
}

/**
 * Add an open dialog.
 * @param {OpenDialog} dialog
 */
export function addDialog(dialog) {
  installDialogHistory();
  dialogs.push(dialog);
  if (!currentState()?.isDialog) pushDialogEntry();
  else if (dialog.address) history.replaceState({ ...currentState(), screen: screenAddress() }, '', dialog.address);
}

/**
 * Return the address of the screen: that of the page, unless an open dialog has one of its own.
 * @returns {string} such as "#/products"
 */
export const screenAddress = () => (dialogs.length && currentState()?.screen) || window.location.hash;

/**
 * Remove a dialog that has closed. With the last one, its entry is removed, too.
 * @param {OpenDialog} dialog
 */
export function removeDialog(dialog) {
  const index = dialogs.indexOf(dialog);
  if (index < 0) return;
  dialogs.splice(index, 1);
  // What closed the dialog may open another one or go to another screen, which then takes over the entry.
  setTimeout(returnToScreen);
}

/**
 * Go to an address of this page. The screen changes below open dialogs.
 * @param {string} address such as "#/products"
 */
export function pushAddress(address) {
  const state = currentState();
  if (isReturning) {
    nextAddress = address;
  } else if (!state?.isDialog || (state.screen && !dialogs.length)) {
    // A dialog with an address keeps its entry, so Back from the next screen opens it again.
    window.location.hash = address;
  } else if (address !== window.location.hash) {
    // The entry of the dialog becomes that of the next screen, so no entry of a closed dialog stays below it.
    history.replaceState({ position, isDialog: false }, '', address);
    replacedAddress = null;
    if (dialogs.length) pushDialogEntry();
    window.dispatchEvent(new HashChangeEvent('hashchange'));
  }
}

/**
 * Replace the address of the screen without showing it.
 * @param {string} address
 */
export function replaceAddress(address) {
  const state = currentState();
  if (state?.isDialog) replacedAddress = address;
  if (state?.screen && dialogs.length) history.replaceState({ ...state, screen: address }, '');
  else history.replaceState(state, '', address);
}

/** @returns {EntryState | null} */
const currentState = () => history.state;

/** @param {number} newPosition of the current entry */
function mark(newPosition) {
  position = newPosition;
  history.replaceState({ position, isDialog: false }, '');
}

function pushDialogEntry() {
  position += 1;
  const address = dialogs.findLast((dialog) => dialog.address)?.address;
  const screen = address && window.location.hash;
  history.pushState({ position, isDialog: true, screen }, '', address ?? window.location.href);
}

function returnToScreen() {
  if (dialogs.length || isReturning || !currentState()?.isDialog) return;
  isReturning = true;
  history.back();
}

/** Another entry has become the current one. */
function onEntry() {
  const state = currentState();
  if (!state) {
    // A bookmark or the address bar has added it, possibly while a dialog is open.
    mark(position + 1);
    leaveAll();
    if (dialogs.length && !currentState()?.isDialog) pushDialogEntry();
    return;
  }
  const before = position;
  position = state.position;
  if (isReturning) finishReturn();
  else if (isRestoring) isRestoring = false;
  else if (!state.isDialog) closeInnermost(before);
  // Forward leads to the entry of a dialog that has closed. Its screen opens it again if it has an address.
  else if (!dialogs.length && !state.screen) history.back();
}

function finishReturn() {
  isReturning = false;
  applyReplacement();
  const address = nextAddress;
  nextAddress = null;
  if (dialogs.length && !currentState()?.isDialog) pushDialogEntry();
  if (address) pushAddress(address);
}

/** Leave the dialogs from the innermost on, up to one that asks whether what was typed is to be discarded. */
function leaveAll() {
  let innermost = dialogs.at(-1);
  while (innermost) {
    innermost.leave();
    if (dialogs.includes(innermost)) return;
    innermost = dialogs.at(-1);
  }
}

/** @param {number} before the position of the dialog's entry */
function closeInnermost(before) {
  dialogs.at(-1)?.leave();
  if (dialogs.length) {
    isRestoring = true;
    history.go(before - position);
  } else applyReplacement();
}

/** Give the entry of the screen the address that the screen got while a dialog was open. */
function applyReplacement() {
  if (replacedAddress !== null) history.replaceState(history.state, '', replacedAddress);
  replacedAddress = null;
}

/** @param {HashChangeEvent} event */
function onAddress(event) {
  if (!currentState()) onEntry();
  // The address was replaced meanwhile, or the page is on its way back to the screen that it shows.
  const shown = [window.location.hash, screenAddress()];
  const isObsolete = event.newURL !== '' && !shown.includes(new URL(event.newURL).hash);
  if (isObsolete || isRestoring) event.stopImmediatePropagation();
}
