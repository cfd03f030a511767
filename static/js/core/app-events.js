// Signals between features, which must not import each other.

import { createSignal } from './event-bus.js';

/** @import { BulkCount, ImportJob } from './types.d.ts' */
/** @import { Signal } from './event-bus.js' */

/**
 * An import, a bulk change or an undo has ended: completed, failed or cancelled.
 * @type {Signal<ImportJob>}
 */
export const importFinished = createSignal();

/**
 * This page has started a bulk change or an undo, which a worker does.
 * @type {Signal<ImportJob>}
 */
export const jobStarted = createSignal();

/**
 * This page has sent a call that makes a bulk change at once. The promise settles after the answer was reported.
 * @type {Signal<Promise<unknown>>}
 */
export const bulkCalled = createSignal();

/**
 * A call of this page has made a bulk change and returned its result.
 * @type {Signal<BulkCount>}
 */
export const bulkChanged = createSignal();
