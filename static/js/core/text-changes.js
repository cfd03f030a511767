// Two versions of a text, as elements that mark the words that differ.

import { h } from './dom.js';
import { diffWords } from './word-diff.js';

/** @import { Child } from './dom.js' */

/**
 * Compare two texts.
 * @param {string} before
 * @param {string} after
 * @param {(text: string) => string} clip shortens a long text that has changed
 * @returns {[before: Child[], after: Child[]]} an empty text has no children
 */
export function compareTexts(before, after, clip) {
  const parts = diffWords(before, after);
  /**
   * @param {'old' | 'new'} side
   * @param {'del' | 'ins'} tag
   */
  const partsOf = (side, tag) =>
    parts
      .filter(({ kind }) => kind === 'same' || kind === side)
      .map(({ kind, text }) => (kind === 'same' ? text : h(tag, { text: clip(text) })));
  return [before ? partsOf('old', 'del') : [], after ? partsOf('new', 'ins') : []];
}
