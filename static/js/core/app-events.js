// Signals between features, which must not import each other.

import { createSignal } from './event-bus.js';

/** @import { ImportJob } from './types.d.ts' */
/** @import { Signal } from './event-bus.js' */

/**
 * An import or an undo has ended: completed, failed or cancelled.
 * @type {Signal<ImportJob>}
 */
export const importFinished = createSignal();

/**
 * Another client has changed products, possibly by an import.
 * @type {Signal<void>}
 */
export const productsChangedByOthers = createSignal();
