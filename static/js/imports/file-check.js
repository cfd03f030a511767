// Check files before they are uploaded.

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
      title: `“${file.name}” is not a CSV file or a workbook.`,
      detail:
        'Choose a file whose name ends in .csv, .tsv, .tab or .txt (also compressed: .gz, .bz2, .xz, .zst), .xlsx,' +
        ' .xlsm, .xlsb, .xls, .ods or .zip.',
    };
  }
  if (file.size === 0) {
    return { title: `“${file.name}” is empty.`, detail: 'Choose a file with a header row and at least one product.' };
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
  const action = missing === 'delete' ? 'delete' : 'deactivate';
  return {
    title: `Each of these files would ${action} the products of the others.`,
    detail: 'Nothing was uploaded. Choose one file that lists all products, or keep products that are not in the file.',
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
  const detail = problems.length > 1 ? 'Choose CSV files, workbooks or ZIP archives that are not empty.' : first.detail;
  return {
    title: problems.map((problem) => problem.title).join(' '),
    detail: detail + describeAccepted(acceptedCount),
  };
}

/** @param {number} count of the files that are uploaded */
function describeAccepted(count) {
  if (!count) return '';
  return count === 1 ? ' The other file is being uploaded.' : ' The other files are being uploaded.';
}
