// The saved views that the person may open, as the server had them last, and what can be done with them.

import { etagOf, getJson, hasStatus, sendJson } from '../core/api.js';
import { createSignal } from '../core/event-bus.js';
import { PERSON, may } from '../core/session.js';

/** @import { Signal } from '../core/event-bus.js' */
/** @import { SavedView } from '../core/types.d.ts' */
/** @import { ViewState } from './view-query.js' */

const PATH = '/api/views';

/** @type {SavedView[] | null} */
let views = null;

/** How many times a view was written here. */
let writes = 0;

/**
 * The views have changed, or were loaded.
 * @type {Signal<void>}
 */
export const viewsChanged = createSignal();

/** Return the views that were loaded last; null before that. */
export const knownViews = () => views;

/** @param {number | null} id */
export const findView = (id) => views?.find((view) => view.id === id) ?? null;

/**
 * Load the views.
 * @returns {Promise<SavedView[]>}
 */
export async function loadViews() {
  const before = writes;
  /** @type {{views: SavedView[]}} */
  const answer = await getJson(PATH);
  // A view that was saved meanwhile may be missing in the answer.
  if (before !== writes) return loadViews();
  setViews(answer.views);
  return answer.views;
}

/** Return whether the person may save views that everyone sees. */
export const mayShare = () => may('products:write');

/** Return whether there are views of one's own: everyone on this machine has one list. */
export const hasOwnViews = () => may(PERSON);

/** @param {SavedView} view */
export const mayChange = (view) => mayShare() || (!view.shared && hasOwnViews());

/**
 * @param {ViewState & {name: string, shared: boolean}} body
 * @returns {Promise<SavedView>}
 */
export async function createView(body) {
  /** @type {SavedView} */
  const created = await sendJson('POST', PATH, { body });
  setWritten([...(views ?? []), created]);
  return created;
}

/**
 * Change a view, unless somebody else has changed it since it was loaded. The views are then loaded again.
 * @param {SavedView} view
 * @param {Partial<ViewState & {name: string, shared: boolean}>} body
 * @returns {Promise<SavedView>}
 */
export async function changeView(view, body) {
  try {
    /** @type {SavedView} */
    const changed = await sendJson('PUT', `${PATH}/${view.id}`, { body, ifMatch: etagOf(view) });
    setWritten((views ?? []).map((other) => (other.id === changed.id ? changed : other)));
    return changed;
  } catch (error) {
    if (hasStatus(error, 412) || hasStatus(error, 404)) await loadViews();
    throw error;
  }
}

/**
 * Delete a view. One that somebody else has deleted is gone as well.
 * @param {SavedView} view
 */
export async function deleteView(view) {
  try {
    await sendJson('DELETE', `${PATH}/${view.id}`);
  } catch (error) {
    if (!hasStatus(error, 404)) throw error;
  }
  setWritten((views ?? []).filter((other) => other.id !== view.id));
}

/** @param {SavedView[]} latest the views after one of them was written here */
function setWritten(latest) {
  writes += 1;
  setViews(latest);
}

/** @param {SavedView[]} latest */
function setViews(latest) {
  views = latest.toSorted((one, other) => one.name.localeCompare(other.name) || one.id - other.id);
  viewsChanged.emit();
}
