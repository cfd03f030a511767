// Addresses such as #/products?page=2: which screen they show, and how a screen changes its own address.

import * as dialogHistory from './dialog-history.js';
import { installDialogHistory, pushAddress, screenAddress } from './dialog-history.js';
import { missingPart } from './parts.js';

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
 * A screen that the page can show at once, or that it loads when it is needed.
 * @typedef {object} Route
 * @property {string} name
 * @property {RegExp} pattern of the path; its named groups become params
 * @property {Screen} [screen]
 * @property {() => Promise<Screen>} [load] if there is no `screen`
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
 * @property {(name: string) => void} onScreen called with the route's name when its screen was
 *   mounted or updated, or is being loaded
 */

/** @type {{key: string, instance: MountedScreen} | null} */
let current = null;
/** The screens that were loaded, by the names of their routes. @type {Map<string, Screen>} */
const loaded = new Map();
/** How many times an address was shown. */
let shows = 0;
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
function show(options) {
  const { root, routes, fallback, guard, onScreen } = options;
  shows += 1;
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
  const screen = other ?? route.screen ?? loaded.get(route.name);
  if (!screen) {
    showLater(options, route);
    return;
  }
  const params = Object.fromEntries(Object.entries(groups).map(([key, value]) => [key, safeDecode(value)]));
  const others = Object.entries(params).filter(([name]) => !route.within?.includes(name));
  const key = JSON.stringify([Boolean(other), route.name, others]);
  if (current?.key === key && current.instance.update) {
    current.instance.update({ params, query });
  } else {
    mount(root, key, { name: route.name, screen }, { params, query });
  }
  onScreen(route.name);
}

/**
 * Load the screen of a route, then show the address again, unless another one is shown by then.
 * @param {RouterOptions} options
 * @param {Route} route
 */
async function showLater(options, route) {
  const { root } = options;
  const wanted = shows;
  if (current) leave(root);
  options.onScreen(route.name);
  try {
    const screen = await route.load?.();
    if (screen) loaded.set(route.name, screen);
    if (shows === wanted) show(options);
  } catch (error) {
    if (loaded.has(route.name)) throw error;
    if (shows === wanted) root.replaceChildren(missingPart());
  }
}

/**
 * Remove the screen that is shown.
 * @param {HTMLElement} root
 */
function leave(root) {
  current?.instance.unmount?.();
  current = { key: '', instance: {} };
  root.replaceChildren();
}

/**
 * @param {HTMLElement} root
 * @param {string} key
 * @param {{name: string, screen: Screen}} route
 * @param {ScreenLocation} location
 */
function mount(root, key, { name, screen }, location) {
  const isFirst = current === null;
  leave(root);
  window.scrollTo(0, 0);
  root.dataset.screen = name;
  current = { key, instance: screen.mount(root, location) };
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
