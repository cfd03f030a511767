// What the buttons of the action bar do, and how the list follows the bulk changes that this page has started.

import { importFinished, jobStarted } from '../core/app-events.js';
import { changeMany, deleteAll, showRefusal } from './bulk-actions.js';
import { openSetField } from './set-field-dialog.js';

/** @import { ImportJob } from '../core/types.d.ts' */
/** @import { BulkChange } from '../core/bulk-kind.js' */
/** @import { BulkAction } from './action-bar.js' */
/** @import { Outcome, Target } from './bulk-actions.js' */

/**
 * The jobs that this page has started, and whether they are running.
 * @type {Map<string, boolean>}
 */
const ownJobs = new Map();
jobStarted.subscribe((job) => ownJobs.set(job.task_id, true));
importFinished.subscribe(({ task_id: id }) => ownJobs.has(id) && ownJobs.set(id, false));

/** Return whether a job that this page has started is running. */
export const isOwnJobRunning = () => [...ownJobs.values()].includes(true);

/**
 * Return whether this page has started a job.
 * @param {ImportJob} job
 */
export const isOwnJob = (job) => ownJobs.has(job.task_id);

/** @type {BulkChange} */
const DELETION = { action: 'delete', field: null, value: null };

/**
 * Create the functions of the buttons.
 * @param {object} screen
 * @param {() => Target} screen.target the selected products
 * @param {(isBusy: boolean) => void} screen.onBusy
 * @param {() => void} screen.onDone called when the products were changed, or a job was started
 * @returns {{act: (action: BulkAction) => void, deleteAll: () => void}}
 */
export function createBulkController({ target, onBusy, onDone }) {
  /**
   * @param {() => Promise<Outcome>} run
   * @returns {Promise<boolean>} whether something has changed, or will change
   */
  const whileBusy = async (run) => {
    onBusy(true);
    try {
      return (await run()) !== 'nothing';
    } finally {
      onBusy(false);
    }
  };
  /**
   * @param {BulkChange} change
   * @param {() => Promise<Outcome>} run
   */
  const attempt = async (change, run) => {
    try {
      if (await whileBusy(run)) onDone();
    } catch (error) {
      showRefusal(change, error);
    }
  };
  const setField = () => {
    const selected = target();
    openSetField({
      count: selected.count,
      run: (change, say) => whileBusy(() => changeMany(change, selected, say)),
      onDone,
    });
  };
  /** @param {BulkAction} action */
  const act = (action) => {
    if (action === 'set') return setField();
    const change = { action, field: null, value: null };
    return attempt(change, () => changeMany(change, target()));
  };
  return { act, deleteAll: () => attempt(DELETION, deleteAll) };
}
