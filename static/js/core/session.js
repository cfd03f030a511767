// Who uses this page and what they may do, and what happens to calls when their session ends.

import { createSignal } from './event-bus.js';

/** @import { Signal } from './event-bus.js' */
/** @import { Who } from './types.d.ts' */

/** @typedef {'products:read'|'products:write'|'imports:read'|'imports:write'|'webhooks'|'admin'} Scope */
/** @typedef {'viewer' | 'editor' | 'admin'} Role */

/** What only a person who is signed in can do: neither an API key nor `local`. */
export const PERSON = 'person';

/** @typedef {Scope | typeof PERSON} Needs */

const CHANNEL = 'session-1';

/** @type {Who | null} */
let who = null;
/** @type {(() => Promise<boolean>) | null} */
let askToSignIn = null;
/** @type {Promise<boolean> | null} */
let asking = null;
/** @type {BroadcastChannel | null} */
let channel = null;

/**
 * Somebody has signed in, or may do more or less than before. The value is who it was until now.
 * @type {Signal<Who | null>}
 */
export const sessionChanged = createSignal();

/**
 * A session that had ended was renewed, so what has stopped can go on.
 * @type {Signal<void>}
 */
export const sessionRenewed = createSignal();

/**
 * Another tab has signed in or out. The value is the key of who is signed in there now, see `keyOf`.
 * @type {Signal<string>}
 */
export const sessionOfOtherTab = createSignal();

/** Return who uses the page; null before it is known, and while nobody is signed in. */
export const currentWho = () => who;

/** Return the name of the role, or "" while nobody is signed in. */
export const currentRole = () => who?.actor.role ?? '';

/** Return whether everyone on this machine is the administrator "local", because nobody has an account yet. */
export const isLocal = () => who?.actor.type === 'local';

/**
 * Return whether the person may do something. The server decides; the page only does not offer what it would refuse.
 * @param {Needs} needs
 */
export function may(needs) {
  if (needs === PERSON) return who?.actor.type === 'user';
  return who?.scopes.includes(needs) ?? false;
}

/**
 * Return a key that is the same for the same person, and "" for nobody.
 * @param {Who | null} someone
 */
export const keyOf = (someone) => (someone ? `${someone.actor.type} ${someone.actor.id ?? ''}` : '');

/**
 * Return whether what one person has begun may go on as another. Everyone on the machine was `local`, so it may go on
 * as the first person who has an account.
 * @param {Who | null} before
 * @param {Who} after
 */
export const mayContinueAs = (before, after) =>
  !before || before.actor.type === 'local' || keyOf(before) === keyOf(after);

/**
 * Set who uses the page.
 * @param {Who} latest as the server returned it
 */
export function setWho(latest) {
  const before = who;
  who = latest;
  if (keyOf(before) !== keyOf(latest) || before?.scopes.join() !== latest.scopes.join()) sessionChanged.emit(before);
}

/** Tell the other tabs who is signed in now. */
export function tellOtherTabs() {
  channel?.postMessage(keyOf(who));
}

/** Tell the other tabs that nobody is signed in any more. */
export function tellSignedOut() {
  channel?.postMessage('');
}

/** Listen to the other tabs. Old browsers have no channels; there a tab notices at its next call. */
export function listenToOtherTabs() {
  if (channel || typeof BroadcastChannel === 'undefined') return;
  channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = ({ data }) => sessionOfOtherTab.emit(String(data));
}

/**
 * Set how the page asks to sign in again. Without it, calls fail when the session has ended.
 * @param {() => Promise<boolean>} ask resolves to whether the same person has signed in
 */
export function onSessionEnd(ask) {
  askToSignIn = ask;
}

/**
 * Ask to sign in again, once for all calls that have failed meanwhile.
 * @returns {Promise<boolean>} whether a call may be repeated
 */
export function renewSession() {
  if (!askToSignIn || !who) return Promise.resolve(false);
  asking ??= askToSignIn()
    .then((isRenewed) => {
      if (isRenewed) queueMicrotask(() => sessionRenewed.emit());
      return isRenewed;
    })
    .finally(() => {
      asking = null;
    });
  return asking;
}

/** Return whether the page is asking to sign in again. */
export const isAskingToSignIn = () => asking !== null;
