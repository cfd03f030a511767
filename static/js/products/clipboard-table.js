// The formats of cells in the clipboard: tab-separated text and an HTML table, as spreadsheets write and read them.

/** @typedef {string[][]} CellTable rows of cells; they may have different lengths */

/**
 * Excel would turn "00123" into a number and "=A1" into a formula, and would put each line of a cell into a row of its
 * own. These are the styles that Excel itself writes into the clipboard against that.
 */
const STYLES = '<style>td{mso-number-format:"\\@";white-space:pre-wrap}br{mso-data-placement:same-cell}</style>';
/** LibreOffice reads the format of a text from this attribute. */
const TEXT_CELL = 'sdnum="1033;0;@"';

/**
 * Return cells as tab-separated text. A cell with a tab or a line break, or with a quote at its start, is quoted.
 * @param {CellTable} table
 */
export function toTsv(table) {
  const text = table.map((row) => row.map(quoteCell).join('\t')).join('\n');
  // Readers drop the last line break, which here would be that of an empty last row.
  return !text || text.endsWith('\n') ? `${text}\n` : text;
}

/** @param {string} text */
const quoteCell = (text) => (/[\t\r\n]|^"/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/**
 * Return cells as an HTML table.
 * @param {CellTable} table
 */
export function toHtml(table) {
  const rows = table.map((row) => `<tr>${row.map((text) => `<td ${TEXT_CELL}>${escape(text)}</td>`).join('')}</tr>`);
  return `<meta charset="utf-8">${STYLES}<table>${rows.join('')}</table>`;
}

/** @param {string} text */
function escape(text) {
  const safe = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return safe.replace(/\r\n?|\n/g, '<br>');
}

/**
 * Return the cells of tab-separated text.
 *
 * Spreadsheets quote a cell only if it has a tab or a line break. So a text in quotes without these, and without a
 * doubled quote, is not a quoted cell: its quotes belong to it.
 * @param {string} text
 * @returns {CellTable} no rows if there is no text
 */
export function parseTsv(text) {
  if (!text) return [];
  const source = text.replace(/\r\n?/g, '\n').replace(/\n$/, '');
  /** @type {CellTable} */
  const rows = [[]];
  for (let at = 0; ;) {
    const { cell, end } = readQuoted(source, at) ?? readPlain(source, at);
    rows.at(-1)?.push(cell);
    if (end >= source.length) return rows;
    if (source[end] === '\n') rows.push([]);
    at = end + 1;
  }
}

/**
 * @param {string} source
 * @param {number} start
 */
function readPlain(source, start) {
  const ends = [source.indexOf('\t', start), source.indexOf('\n', start), source.length];
  const end = Math.min(...ends.filter((place) => place >= 0));
  return { cell: source.slice(start, end), end };
}

/**
 * @param {string} source
 * @param {number} start
 * @returns {{cell: string, end: number} | null} null if no quoted cell starts here
 */
function readQuoted(source, start) {
  if (source[start] !== '"') return null;
  let quote = source.indexOf('"', start + 1);
  while (quote >= 0 && source[quote + 1] === '"') quote = source.indexOf('"', quote + 2);
  const end = quote + 1;
  if (quote < 0 || !['\t', '\n', undefined].includes(source[end])) return null;
  const content = source.slice(start + 1, quote);
  return /[\t\n]|""/.test(content) ? { cell: content.replaceAll('""', '"'), end } : null;
}

/**
 * Return the cells of what was copied: of its text, or of the first table in its HTML if it has no text.
 * @param {Pick<DataTransfer, 'getData'> | null} data
 * @returns {CellTable} no rows if there is neither
 */
export function readClipboard(data) {
  const table = parseTsv(data?.getData('text/plain') ?? '');
  return table.length ? table : readHtmlTable(data?.getData('text/html') ?? '');
}

/**
 * @param {string} html
 * @returns {CellTable}
 */
function readHtmlTable(html) {
  if (!html) return [];
  // A parsed document neither runs scripts nor loads images.
  const table = new DOMParser().parseFromString(html, 'text/html').querySelector('table');
  if (!table) return [];
  table.querySelectorAll('br').forEach((element) => element.replaceWith('\n'));
  return [...table.rows].map((row) => [...row.cells].map((cell) => (cell.textContent ?? '').trim()));
}
