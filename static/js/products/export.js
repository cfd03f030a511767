// Downloads of products as files: all that match a filter, or chosen ones. The name of a file has the date here.

import { fetchFile } from '../core/api.js';
import { downloadFile } from '../core/download.js';
import { t } from '../core/i18n.js';
import { exportAddress } from './query.js';

/** @import { Filters } from './query.js' */

/** @typedef {'csv' | 'csv.gz'} ExportFormat */

/** @type {[format: ExportFormat, label: string][]} */
export const EXPORT_FORMATS = [
  ['csv', 'CSV'],
  ['csv.gz', t('products.export.gzip')],
];

/**
 * Return the date of this browser's time zone, as the names of files have it.
 * @param {Date} [now]
 * @returns {string} such as "2026-11-29"
 */
export function fileDate(now = new Date()) {
  const parts = [now.getFullYear(), now.getMonth() + 1, now.getDate()];
  return parts.map((part, index) => String(part).padStart(index ? 2 : 4, '0')).join('-');
}

/**
 * Download all products that match. The server streams the file, however long it is.
 * @param {Filters} filters
 * @param {ExportFormat} format
 */
export function exportMatching(filters, format) {
  downloadFile(exportAddress(filters, format, fileDate()));
}

/**
 * Download chosen products.
 * @param {number[]} ids
 * @param {ExportFormat} format
 * @returns {Promise<void>}
 * @throws {import('../core/api.js').ApiError|import('../core/api.js').NetworkError}
 */
export async function exportChosen(ids, format) {
  const file = await fetchFile('/api/products/export', { ids, format });
  const address = URL.createObjectURL(file);
  downloadFile(address, `products-${fileDate()}.${format}`);
  // The browser has taken the file over by the next task.
  setTimeout(() => URL.revokeObjectURL(address));
}
