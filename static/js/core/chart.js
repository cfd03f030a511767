// Parts of charts in SVG: lines of the grid, labels, and round numbers for the axis.

import { formatCompact } from './format.js';
import { draw } from './svg.js';

/**
 * Draw a line of the grid with its number at the left.
 * @param {number} value
 * @param {number} y
 * @param {{left: number, width: number, format?: (value: number) => string}} options the line begins at `left`
 */
export const gridLine = (value, y, { left, width, format = formatCompact }) => [
  draw('line', { class: value ? 'chart-grid' : 'chart-base', x1: left, x2: width, y1: y, y2: y }),
  drawText(format(value), left - 8, y + 4, 'end'),
];

/**
 * @param {string} text
 * @param {number} x
 * @param {number} y
 * @param {'start' | 'middle' | 'end'} anchor
 * @param {string} [className]
 */
export function drawText(text, x, y, anchor, className = 'chart-label') {
  const element = draw('text', { class: className, x, y, 'text-anchor': anchor });
  element.textContent = text;
  return element;
}

/**
 * Return the next larger round number, such as 2000 for 1234.
 * @param {number} value
 */
export function niceCeiling(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return [1, 2, 4, 5, 8, 10].map((factor) => factor * power).find((candidate) => candidate >= value) ?? 10 * power;
}
