// The names of the jobs that filters refer to.

import { getJson } from '../core/api.js';
import { t } from '../core/i18n.js';

/** @import { ImportJob } from '../core/types.d.ts' */

/** @type {Map<string, Promise<string>>} */
const names = new Map();

/**
 * Return the name of an import or a bulk change. It is fetched once.
 * @param {string} taskId
 * @returns {Promise<string>}
 */
export function findJobName(taskId) {
  const known = names.get(taskId);
  if (known) return known;
  const name = fetchName(taskId);
  names.set(taskId, name);
  return name;
}

/** @param {string} taskId */
async function fetchName(taskId) {
  try {
    /** @type {ImportJob} */
    const { filename } = await getJson(`/api/upload/progress/${encodeURIComponent(taskId)}`);
    return filename;
  } catch {
    names.delete(taskId);
    return t('products.filter.an_import');
  }
}
