// A summary of what runs in the background, for the bar in the header.

import { describeBulkAction } from './bulk-texts.js';
import { isAllRejected, isBulk, isImport, isUndo, nameOf } from './job.js';
import { importAddress } from './steps.js';

/** @import { ImportJob } from '../core/types.d.ts' */
/** @import { BulkJob } from './job.js' */
/** @import { Upload } from './upload-queue.js' */

/**
 * The fields of a job that the bar shows. Nothing else is known yet about a file that was just uploaded.
 * @typedef {Pick<ImportJob, 'task_id' | 'filename' | 'kind' | 'phase' | 'step_progress'>
 *   & Partial<ImportJob>} RunningJob
 */

/**
 * The fields of an import that waits for its confirmation.
 * @typedef {Pick<ImportJob, 'task_id' | 'filename' | 'kind' | 'status' | 'total_records' | 'rejected_count'>
 *   } WaitingJob
 */

/** @typedef {Pick<Upload, 'state' | 'loaded' | 'total'> & {file: {name: string}}} UploadProgress */

/**
 * The percentage of a check and that of the import after it both go from 0 to 100, so the words differ.
 * @type {Record<string, string | undefined>}
 */
const PHASE_WORDS = {
  reading: 'Reading',
  reading_workbook: 'Reading',
  comparing: 'Checking',
  finding: 'Checking',
};

/** @typedef {{text: string, href: string, percent: number | null}} Summary `percent` is null without progress. */

/**
 * Summarize imports and uploads. Running imports come before uploads, and those before waiting imports.
 * @param {RunningJob[]} running
 * @param {UploadProgress[]} uploads
 * @param {WaitingJob[]} waiting imports that wait for their confirmation
 * @returns {Summary | null} null if there is nothing to show
 */
export function summarize(running, uploads, waiting) {
  return (
    summarizeRunning(running) ??
    summarizeUploads(uploads.filter((upload) => upload.state !== 'failed')) ??
    summarizeWaiting(waiting)
  );
}

/** @param {RunningJob[]} jobs */
function summarizeRunning(jobs) {
  const [first] = jobs;
  if (!first) return null;
  const percent = Math.floor(jobs.reduce((sum, job) => sum + job.step_progress, 0) / jobs.length);
  if (jobs.length > 1) {
    const noun = jobs.every(isImport) ? 'imports' : 'jobs';
    return { text: `${jobs.length} ${noun} · ${percent}%`, href: '#/import', percent };
  }
  return { text: `${describeRunning(first)} · ${percent}%`, href: importAddress(first.task_id), percent };
}

/** @param {RunningJob} job */
function describeRunning(job) {
  if (isUndo(job)) return nameOf(job);
  // A job with `bulk` comes from the server, so it has all fields.
  if (isBulk(job)) return describeBulkAction(/** @type {BulkJob} */ (job));
  return `${PHASE_WORDS[job.phase] ?? 'Importing'} ${job.filename}`;
}

/** @param {UploadProgress[]} uploads */
function summarizeUploads(uploads) {
  const [first] = uploads;
  if (!first) return null;
  const total = uploads.reduce((sum, upload) => sum + upload.total, 0);
  const loaded = uploads.reduce((sum, upload) => sum + upload.loaded, 0);
  const percent = total ? Math.floor((loaded * 100) / total) : 0;
  const name = uploads.length === 1 ? `Uploading ${first.file.name}` : `${uploads.length} uploads`;
  return { text: `${name} · ${percent}%`, href: '#/import', percent };
}

/** @param {WaitingJob[]} jobs */
function summarizeWaiting(jobs) {
  const [first] = jobs;
  if (!first) return null;
  return jobs.length === 1
    ? {
        text: isAllRejected(first)
          ? `Every row of ${first.filename} is rejected`
          : `${first.filename} waits to be confirmed`,
        href: importAddress(first.task_id, 'check'),
        percent: null,
      }
    : {
        text: `${jobs.length} imports wait to be confirmed`,
        href: '#/import?status=awaiting_confirmation',
        percent: null,
      };
}
