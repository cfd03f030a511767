// The text of a table cell, on one line, with its matches highlighted. If the cell cuts off a word of the search, it
// shows the passages around the matches instead of the start of the text.

import { fill, h } from '../core/dom.js';
import { matchesToSee, passagesOf, startOf } from './highlight.js';

/** @import { TextField } from './edit-conflict.js' */
/** @import { Part } from './highlight.js' */

const CHARACTER_PX = 7;
/** The ellipsis of a text that is cut off covers as much of it. */
const ELLIPSIS_PX = 14;

/**
 * @typedef {object} CellText
 * @property {HTMLElement} element
 * @property {(text: string, words: string[]) => void} show
 * @property {() => void} fit Choose again what to show, because the width of the cell has changed.
 */

/** @typedef {{isCut: () => boolean, showPassages: () => void}} Fitting */

/** @type {Set<Fitting>} Texts to measure before the next frame, all at once, because each change delays measuring */
const waiting = new Set();

/**
 * @param {TextField} field
 * @returns {CellText}
 */
export function createCellText(field) {
  const element = h('span', { class: `cell-text ${field}`, dir: 'auto' });
  let text = '';
  /** @type {string[]} */
  let words = [];
  let toSee = 0;
  let width = 0;
  const fitting = {
    isCut() {
      const cell = element.getBoundingClientRect();
      width = cell.width;
      if (!width || !toSee) return false;
      const last = element.querySelectorAll('mark')[toSee - 1]?.getBoundingClientRect();
      const end = cell.right - (element.scrollWidth > element.clientWidth ? ELLIPSIS_PX : 0);
      return !last || last.right > end || last.left < cell.left;
    },
    showPassages: () => fill(element, nodesOf(passagesOf(text, words, width / CHARACTER_PX))),
  };
  const fit = () => {
    toSee = field === 'description' ? matchesToSee(text, words) : 0;
    fill(element, nodesOf(startOf(text, words)));
    if (toSee) measureSoon(fitting);
  };
  return {
    element,
    show(newText, newWords) {
      // An unchanged text is left alone for screen readers and selections.
      if (newText === text && newWords.join('\0') === words.join('\0')) return;
      text = newText;
      words = newWords;
      fit();
    },
    fit: () => toSee && fit(),
  };
}

/** @param {Fitting} fitting */
function measureSoon(fitting) {
  if (!waiting.size) requestAnimationFrame(measure);
  waiting.add(fitting);
}

function measure() {
  const cut = [...waiting].filter((fitting) => fitting.isCut());
  waiting.clear();
  cut.forEach((fitting) => fitting.showPassages());
}

/** @param {Part[]} parts */
const nodesOf = (parts) => parts.map(({ text, isMatch }) => (isMatch ? h('mark', { text }) : text));
