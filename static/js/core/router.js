// Addresses such as #/products?page=2: which screen they show, and how a screen changes its own address.

import * as dialogHistory from './dialog-history.js';
import { installDialogHistory, pushAddress, screenAddress } from './dialog-history.js';

/**
 * The part of an address that a screen gets.
 * @typedef {object} ScreenLocation
 * @property {Record<string, string | undefined>} params named groups of the route's pattern
 * @property {URLSearchParams} query
 */

/**
 * A screen that is shown. Without `update`, every change of its address mounts it again.
 * @typedef {object} MountedScreen
 * @property {(location: ScreenLocation) => void} [update]
 * @property {() => void} [unmount]
 */

/**
 * @typedef {object} Screen
 * @property {(root: HTMLElement, location: ScreenLocation) => MountedScreen} mount
 */

/**
 * @typedef {object} Route
 * @property {string} name
 * @property {RegExp} pattern of the path; its named groups become params
 * @property {Screen} screen
 * @property {string[]} [within] names of params; the screen is updated, not mounted again, if only these differ
 * @property {Needs} [needs] what the person must be allowed to do to see the screen
 * @property {boolean} [isPublic] whether the screen is for people who are not signed in, too
 */

/** @import { Needs } from './session.js' */

/**
 * @typedef {object} RouterOptions
 * @property {HTMLElement} root where screens are mounted
 * @property {Route[]} routes
 * @property {string} fallback address that replaces unknown ones
 * @property {(route: Route) => Screen | null} guard returns the screen to show instead of a route's; null to allow it
 * @property {(name: string) => void} onScreen called with the route's name after a screen was mounted or updated
 */

/** @type {{key: string, instance: MountedScreen} | null} */
let current = null;
/** The address that is shown. Going back to the entry of a screen from that of a dialog does not change it. */
let shownAddress = '';

/**
 * Start routing: show the screen of the current address and of each one that follows.
 * @param {RouterOptions} options
 */
export function startRouter(options) {
  installDialogHistory();
  const follow = () => screenAddress() !== shownAddress && show(options);
  window.addEventListener('hashchange', follow);
  show(options);
}

/**
 * Go to an address.
 * @param {string} address such as "#/products?q=lamp"
 */
export function go(address) {
  pushAddress(address);
}

/**
 * Change the query of the current address and show it.
 * @param {Record<string, string | number | null | undefined>} changes empty values are removed
 * @param {{replace?: boolean}} [options] `replace` adds no entry to the history, for changes while someone types
 */
export function setQuery(changes, { replace = false } = {}) {
  const { path, query } = parse(screenAddress());
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === null || value === '') query.delete(name);
    else query.set(name, String(value));
  }
  const address = `#${path}${query.size ? `?${query}` : ''}`;
  if (replace) redirect(address);
  else if (address !== screenAddress()) go(address);
}

/**
 * Go to an address that replaces the current one in the history.
 * @param {string} address
 */
export function redirect(address) {
  if (address === screenAddress()) return;
  dialogHistory.replaceAddress(address);
  window.dispatchEvent(new HashChangeEvent('hashchange'));
}

/**
 * Replace the address of the screen that is shown, which stays as it is.
 * @param {string} address
 */
export function replaceAddress(address) {
  dialogHistory.replaceAddress(address);
  shownAddress = address;
}

/** @param {string} hash */
function parse(hash) {
  const [path, search = ''] = hash.replace(/^#/, '').split('?', 2);
  return { path: path || '/', query: new URLSearchParams(search) };
}

/**
 * @param {Route[]} routes
 * @param {string} path
 */
function matchRoute(routes, path) {
  for (const route of routes) {
    const match = route.pattern.exec(path);
    if (match) return { route, groups: match.groups ?? {} };
  }
  return null;
}

/** @param {RouterOptions} options */
function show({ root, routes, fallback, guard, onScreen }) {
  let { path, query } = parse(screenAddress());
  let match = matchRoute(routes, path);
  if (!match) {
    dialogHistory.replaceAddress(fallback);
    ({ path, query } = parse(fallback));
    match = matchRoute(routes, path);
  }
  if (!match) throw new Error(`No route matches the fallback address ${fallback}.`);
  shownAddress = screenAddress();
  const { route, groups } = match;
  const other = guard(route);
  const params = Object.fromEntries(Object.entries(groups).map(([key, value]) => [key, safeDecode(value)]));
  const others = Object.entries(params).filter(([name]) => !route.within?.includes(name));
  const key = JSON.stringify([Boolean(other), route.name, others]);
  if (current?.key === key && current.instance.update) {
    current.instance.update({ params, query });
  } else {
    mount(root, key, other ? { ...route, screen: other } : route, { params, query });
  }
  onScreen(route.name);
}

/**
 * @param {HTMLElement} root
 * @param {string} key
 * @param {Route} route
 * @param {ScreenLocation} location
 */
function mount(root, key, route, location) {
  const isFirst = current === null;
  current?.instance.unmount?.();
  root.replaceChildren();
  window.scrollTo(0, 0);
  root.dataset.screen = route.name;
  current = { key, instance: route.screen.mount(root, location) };
  // A new screen gets the focus, as after a page load, so that keyboards and screen readers start at its top. A screen
  // with a form may have given it to a field.
  if (!isFirst && !root.contains(document.activeElement)) root.focus({ preventScroll: true });
}

/** @param {string | undefined} text an optional group of the pattern may be undefined */
function safeDecode(text) {
  if (text === undefined) return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
