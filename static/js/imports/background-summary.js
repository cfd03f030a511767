// A summary of what runs in the background, for the bar in the header.

import { formatShare } from '../core/format.js';
import { t } from '../core/i18n.js';
import { describeBulkAction } from './bulk-texts.js';
import { isAllRejected, isBulk, isImport, isUndo, nameOf } from './job.js';
import { importAddress } from './steps.js';
import { isUnderWay } from './upload-queue.js';

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

/** @typedef {Pick<Upload, 'name' | 'state' | 'loaded' | 'total'>} UploadProgress */

/** @typedef {{text: string, href: string, percent: number | null}} Summary `percent` is null without progress. */

/**
 * Summarize imports and uploads. Running imports come before uploads, and those before waiting imports.
 * @param {RunningJob[]} running
 * @param {UploadProgress[]} uploads
 * @param {WaitingJob[]} waiting imports that wait for their confirmation
 * @returns {Summary | null} null if there is nothing to show
 */
export function summarize(running, uploads, waiting) {
  return summarizeRunning(running) ?? summarizeUploads(uploads.filter(isUnderWay)) ?? summarizeWaiting(waiting);
}

/** @param {RunningJob[]} jobs */
function summarizeRunning(jobs) {
  const [first] = jobs;
  if (!first) return null;
  const percent = Math.floor(jobs.reduce((sum, job) => sum + job.step_progress, 0) / jobs.length);
  if (jobs.length > 1) {
    const args = { count: jobs.length };
    const jobsText = jobs.every(isImport)
      ? t('imports.progress.background.imports', args)
      : t('imports.progress.background.jobs', args);
    return { text: withPercent(jobsText, percent), href: '#/import', percent };
  }
  return { text: withPercent(describeRunning(first), percent), href: importAddress(first.task_id), percent };
}

/** @param {RunningJob} job */
function describeRunning(job) {
  if (isUndo(job)) return nameOf(job);
  // A job with `bulk` comes from the server, so it has all fields.
  if (isBulk(job)) return describeBulkAction(/** @type {BulkJob} */ (job));
  const name = job.filename;
  if (job.phase === 'reading' || job.phase === 'reading_workbook') {
    return t('imports.progress.background.reading', { name });
  }
  // The percentage of a check and that of the import after it both go from 0 to 100, so the words differ.
  if (job.phase === 'comparing' || job.phase === 'finding') return t('imports.progress.background.checking', { name });
  return t('imports.progress.background.importing', { name });
}

/**
 * @param {string} what
 * @param {number} percent
 */
const withPercent = (what, percent) =>
  t('imports.progress.background.with_percent', { what, percent: formatShare(percent / 100) });

/** @param {UploadProgress[]} uploads */
function summarizeUploads(uploads) {
  const [first] = uploads;
  if (!first) return null;
  const total = uploads.reduce((sum, upload) => sum + upload.total, 0);
  const loaded = uploads.reduce((sum, upload) => sum + upload.loaded, 0);
  const percent = total ? Math.floor((loaded * 100) / total) : 0;
  const name =
    uploads.length === 1
      ? t('imports.progress.background.uploading', { name: first.name })
      : t('imports.progress.background.uploads', { count: uploads.length });
  return { text: withPercent(name, percent), href: '#/import', percent };
}

/** @param {WaitingJob[]} jobs */
function summarizeWaiting(jobs) {
  const [first] = jobs;
  if (!first) return null;
  return jobs.length === 1
    ? {
        text: isAllRejected(first)
          ? t('imports.progress.background.row_rejected', { name: first.filename })
          : t('imports.progress.background.waits', { name: first.filename }),
        href: importAddress(first.task_id, 'check'),
        percent: null,
      }
    : {
        text: t('imports.progress.background.wait', { count: jobs.length }),
        href: '#/import?status=awaiting_confirmation',
        percent: null,
      };
}
