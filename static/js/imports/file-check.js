// Check files before they are uploaded.

import { t } from '../core/i18n.js';

const ACCEPTED_NAME = /\.(?:(?:csv|tsv|tab|txt)(?:\.(?:gz|bz2|xz|zst))?|xls[xmb]?|ods|zip)$/i;

/**
 * What is wrong with a file, and what to do about it.
 * @typedef {{title: string, detail: string}} FileProblem
 */

/**
 * Return what is wrong with a file, as far as its name and size show it.
 * @param {Pick<File, 'name' | 'size'>} file
 * @returns {FileProblem | null} null if the file can be uploaded
 */
export function findFileProblem(file) {
  if (!ACCEPTED_NAME.test(file.name)) {
    return {
      title: t('imports.choose.no_table', { name: file.name }),
      detail: t('imports.choose.no_table_hint'),
    };
  }
  if (file.size === 0) {
    return { title: t('imports.choose.empty_file', { name: file.name }), detail: t('imports.choose.empty_file_hint') };
  }
  return null;
}

/**
 * Return why several files cannot be uploaded together: each would remove the products of the others.
 * @param {number} count of files
 * @param {string} missing value of the option
 * @returns {FileProblem | null} null if they can
 */
export function findSelectionProblem(count, missing) {
  if (count < 2 || missing === 'keep') return null;
  const action = missing === 'delete' ? 'delete' : 'other';
  return {
    title: t('imports.choose.each_removes', { action }),
    detail: t('imports.choose.each_removes_hint'),
  };
}

/**
 * Return what is wrong with several files as one problem.
 * @param {FileProblem[]} problems
 * @param {number} acceptedCount how many other files are uploaded
 * @returns {FileProblem | null} null if nothing is wrong
 */
export function summarizeProblems(problems, acceptedCount) {
  const [first] = problems;
  if (!first) return null;
  const hint = problems.length > 1 ? t('imports.choose.several_hint') : first.detail;
  return {
    title: problems.map((problem) => problem.title).join(' '),
    detail: acceptedCount ? t('imports.choose.with_accepted', { hint, count: acceptedCount }) : hint,
  };
}
