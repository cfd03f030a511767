// The counts of a job: an import, its check, a bulk change or an undo. The name of a count selects its texts.

import { bulkKind } from '../core/bulk-kind.js';
import { formatList } from '../core/format.js';
import { t } from '../core/i18n.js';
import { isBulk, isUndo } from './job.js';

/** @import { BulkChange } from '../core/bulk-kind.js' */
/** @import { ImportDetail, ImportJob, Preview } from '../core/types.d.ts' */
/** @import { BulkJob } from './job.js' */

/** @typedef {'activated' | 'deactivated' | 'deleted' | 'changed'} BulkCountName what a bulk change did with products */
/** @typedef {'create' | 'update' | 'delete' | 'deactivate'} CheckCountName what an import would do with products */
/**
 * @typedef {BulkCountName | CheckCountName | 'created' | 'updated' | 'removed' | 'restored' | 'left_alone' | 'gone'
 *   | 'unchanged' | 'skipped' | 'duplicate' | 'rejected'} CountName
 */

/**
 * @template {CountName} [Name=CountName]
 * @typedef {{name: Name, value: number}} Count
 */

/**
 * Return the label of a count, such as "Created".
 * @param {CountName} name
 */
export const countLabel = (name) => t(`imports.count.label.${name}`);

/**
 * Return a count with its word, such as "2 created".
 * @param {Count} count
 */
export const describeCount = ({ name, value }) => t(`imports.count.item.${name}`, { count: value });

/**
 * Return counts as text, such as "2 created, 1 rejected".
 * @param {Count[]} counts
 */
export const describeCounts = (counts) => formatList(counts.map(describeCount));

/**
 * Return the counts of a job. They add up to its number of rows, without the products that an import deactivated or
 * deleted because they are not in the file.
 * @param {ImportDetail} job
 * @returns {Count[]}
 */
export function jobCounts(job) {
  if (isBulk(job)) return bulkCounts(job);
  if (isUndo(job)) {
    return [
      { name: 'removed', value: job.removed_count },
      { name: 'restored', value: job.updated_count - job.removed_count },
      ...remainders(job),
    ];
  }
  return withoutUnusedSkips(job, [
    { name: 'created', value: job.created_count },
    { name: 'updated', value: job.updated_count },
    ...removalCount(job),
    { name: 'unchanged', value: job.unchanged_count - job.skipped_count },
    { name: 'skipped', value: job.skipped_count },
    { name: 'duplicate', value: job.duplicate_count },
    { name: 'rejected', value: job.rejected_count },
  ]);
}

/**
 * Return the counts of a bulk change or of its undo. They add up to the products that it found.
 * @param {BulkJob} job
 * @returns {Count[]}
 */
export function bulkCounts(job) {
  const changed = bulkChangedCount(job);
  return isUndo(job) ? [changed, ...remainders(job)] : [changed, { name: 'unchanged', value: job.unchanged_count }];
}

/**
 * Return the count of the products that a bulk change has changed or deleted, or that its undo has restored.
 * @param {BulkJob} job
 * @returns {Count<BulkCountName | 'restored'>}
 */
export const bulkChangedCount = (job) =>
  isUndo(job)
    ? { name: 'restored', value: job.updated_count }
    : { name: bulkCountName(job.bulk), value: job.updated_count + job.removed_count };

/**
 * @param {BulkChange} change
 * @returns {BulkCountName}
 */
function bulkCountName(change) {
  const kind = bulkKind(change);
  if (kind === 'activate') return 'activated';
  if (kind === 'deactivate') return 'deactivated';
  return kind === 'delete' ? 'deleted' : 'changed';
}

/**
 * Return the counts of the products that an undo did not change.
 * @param {Pick<ImportJob, 'rejected_count' | 'unchanged_count'>} undo
 * @returns {Count[]}
 */
const remainders = (undo) => [
  { name: 'left_alone', value: undo.rejected_count },
  { name: 'gone', value: undo.unchanged_count },
];

/**
 * Return the count of products that an import deactivated or deleted, if it had to.
 * @param {Pick<ImportDetail, 'options' | 'missing_count'>} job
 * @returns {Count<'deleted' | 'deactivated'>[]}
 */
function removalCount({ options, missing_count: value }) {
  if (options.missing === 'keep') return [];
  return [{ name: options.missing === 'delete' ? 'deleted' : 'deactivated', value }];
}

/**
 * Return the counts of what an import would do.
 * @param {Partial<Preview>} preview
 * @param {Pick<ImportDetail, 'mode' | 'options'>} job
 * @returns {Count[]}
 */
export function previewCounts(preview, job) {
  return withoutUnusedSkips(job, [
    { name: 'create', value: preview.create ?? 0 },
    { name: 'update', value: preview.update ?? 0 },
    ...missingCount(preview, job),
    { name: 'unchanged', value: (preview.unchanged ?? 0) - (preview.skipped ?? 0) },
    { name: 'skipped', value: preview.skipped ?? 0 },
    { name: 'duplicate', value: preview.duplicate ?? 0 },
    { name: 'rejected', value: preview.rejected ?? 0 },
  ]);
}

/**
 * Return the count of products that are not in the file, if the import would remove such products.
 * @param {Partial<Preview>} preview
 * @param {Pick<ImportDetail, 'options'>} job
 * @returns {Count<'delete' | 'deactivate'>[]}
 */
function missingCount({ missing }, { options }) {
  if (options.missing === 'keep' || typeof missing !== 'number') return [];
  return [{ name: options.missing, value: missing }];
}

/**
 * Return how many products an import would deactivate or delete because they are not in the file.
 * @param {Pick<ImportDetail, 'options' | 'preview'>} job
 */
export const countRemovals = ({ options, preview }) => (options.missing === 'keep' ? 0 : (preview?.missing ?? 0));

/**
 * Remove a zero count of skipped rows unless the mode of the import can skip rows.
 * @param {Pick<ImportJob, 'mode'>} job
 * @param {Count[]} counts
 */
function withoutUnusedSkips(job, counts) {
  const canSkip = job.mode === 'create' || job.mode === 'update';
  return counts.filter(({ name, value }) => name !== 'skipped' || value || canSkip);
}
