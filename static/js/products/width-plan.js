// How wide the columns of the product table are: as wide as their content, unless somebody has chosen another width.

/** @typedef {'sku' | 'name' | 'description'} SizedColumn */

/** @typedef {Partial<Record<SizedColumn, number>>} Widths In pixels. */

export const MIN_PX = 80;
export const MAX_PX = 1_200;

/**
 * The smallest widths that the page chooses by itself.
 * @type {Record<SizedColumn, number>}
 */
const LEAST_PX = { sku: 120, name: 140, description: 200 };

/**
 * Plan the widths. The last of the columns takes the rest of the room, unless its width was chosen.
 * @param {object} given
 * @param {SizedColumn[]} given.columns that are shown, in their order
 * @param {number} given.roomPx for these columns
 * @param {Widths} given.natural the widths of their contents
 * @param {Widths} given.chosen the widths that somebody has chosen
 * @returns {{widths: Record<SizedColumn, number>, totalPx: number}} `totalPx` may be more than the room
 */
export function planWidths({ columns, roomPx, natural, chosen }) {
  const widths = { ...LEAST_PX };
  const last = columns.at(-1);
  for (const column of columns) widths[column] = chosen[column] ?? LEAST_PX[column];
  const open = columns.filter((column) => column !== last && chosen[column] === undefined);
  let left = roomPx - sum(columns.filter((column) => !open.includes(column)).map((column) => widths[column]));
  // The columns that need least come first, so that what they leave goes to the others.
  open.sort((one, other) => (natural[one] ?? 0) - (natural[other] ?? 0));
  open.forEach((column, index) => {
    const share = Math.floor(left / (open.length - index));
    widths[column] = Math.max(LEAST_PX[column], Math.min(natural[column] ?? 0, share));
    left -= widths[column];
  });
  if (last && chosen[last] === undefined) widths[last] += Math.max(0, left);
  return { widths, totalPx: sum(columns.map((column) => widths[column])) };
}

/** @param {number} width in pixels */
export const boundWidth = (width) => Math.round(Math.min(MAX_PX, Math.max(MIN_PX, width)));

/**
 * Read the widths that were chosen earlier.
 * @param {string | null} stored
 * @returns {Widths} without what is no width
 */
export function readWidths(stored) {
  /** @type {Widths} */
  const widths = {};
  try {
    const values = JSON.parse(stored ?? '{}');
    for (const column of /** @type {SizedColumn[]} */ (Object.keys(LEAST_PX))) {
      if (Number.isFinite(values?.[column])) widths[column] = boundWidth(values[column]);
    }
  } catch {
    // Something else wrote it. The columns then fit their content.
  }
  return widths;
}

/** @param {number[]} numbers */
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
