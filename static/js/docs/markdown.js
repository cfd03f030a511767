// Turn the small part of Markdown that the OpenAPI document uses into elements: paragraphs, `code` and **strong**.

import { h } from '../core/dom.js';

/**
 * @param {string} text
 * @returns {HTMLElement}
 */
export function markdownBlock(text) {
  const paragraphs = text.trim().split(/\n\s*\n/);
  return h(
    'div',
    { class: 'docs-text' },
    paragraphs.map((paragraph) => h('p', {}, markdownInline(paragraph))),
  );
}

/**
 * @param {string} text one paragraph
 * @returns {(HTMLElement | string)[]}
 */
export function markdownInline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
    if (part.startsWith('`')) return h('code', { text: part.slice(1, -1) });
    return part.startsWith('**') ? h('strong', { text: part.slice(2, -2) }) : part;
  });
}
