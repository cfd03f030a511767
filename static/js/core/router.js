// Addresses such as #/products?page=2: which screen they show, and how a screen changes its own.

/** @typedef {{mount: (root: HTMLElement, location: {params: object, query: URLSearchParams}) => {update?: Function, unmount?: Function}}} Screen */

let routes = [];
let root = null;
let current = null;
let onShown = () => {};

/**
 * Starts routing.
 * @param {object} options
 * @param {HTMLElement} options.root where screens are mounted
 * @param {{pattern: RegExp, name: string, screen: Screen, within?: string}[]} options.routes named groups of the pattern become params;
 *   where only the param named by `within` differs, the screen stays and is updated
 * @param {string} options.fallback address for unknown ones
 * @param {(name: string) => void} options.onScreen called after another screen was mounted or updated
 */
export function startRouter(options) {
  ({ root, routes } = options);
  onShown = options.onScreen;
  const follow = () => show(options.fallback);
  window.addEventListener('hashchange', follow);
  follow();
}

/** @param {string} address such as "#/products?q=lamp" */
export function go(address) {
  window.location.hash = address;
}

/**
 * Changes the query of the current address and shows it.
 * @param {Record<string, string|number|undefined>} changes empty values are removed
 * @param {{replace?: boolean}} [options] replace keeps the history short while someone types
 */
export function setQuery(changes, { replace = false } = {}) {
  const { path, query } = parse(window.location.hash);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === null || value === '') query.delete(name);
    else query.set(name, value);
  }
  const address = `#${path}${query.size ? `?${query}` : ''}`;
  if (replace) redirect(address);
  else if (address !== window.location.hash) go(address);
}

/** @param {string} address takes the place of the present one in the history */
export function redirect(address) {
  if (address === window.location.hash) return;
  history.replaceState(null, '', address);
  window.dispatchEvent(new HashChangeEvent('hashchange'));
}

function parse(hash) {
  const [path, search = ''] = hash.replace(/^#/, '').split('?', 2);
  return { path: path || '/', query: new URLSearchParams(search) };
}

function show(fallback) {
  const { path, query } = parse(window.location.hash);
  const found = routes.map((route) => ({ route, match: route.pattern.exec(path) })).find(({ match }) => match);
  if (!found) {
    history.replaceState(null, '', fallback);
    show(fallback);
    return;
  }
  const params = Object.fromEntries(Object.entries(found.match.groups ?? {}).map(([key, value]) => [key, safeDecode(value)]));
  const key = `${found.route.name} ${JSON.stringify({ ...params, [found.route.within]: undefined })}`;
  if (current?.key === key && current.instance.update) {
    current.instance.update({ params, query });
  } else {
    mount(key, found.route, { params, query });
  }
  onShown(found.route.name);
}

function mount(key, route, location) {
  const first = current === null;
  current?.instance.unmount?.();
  root.replaceChildren();
  window.scrollTo(0, 0);
  root.dataset.screen = route.name;
  current = { key, instance: route.screen.mount(root, location) };
  // A new screen takes the focus, as a page load would, so that keyboards and screen readers start at its top.
  if (!first) root.focus({ preventScroll: true });
}

function safeDecode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
