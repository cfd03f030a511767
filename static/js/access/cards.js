// Frames of the access screens: a narrow card for one form, and a card with a heading.

import { h } from '../core/dom.js';
import { t } from '../core/i18n.js';

/** @import { Child } from '../core/dom.js' */

/**
 * Create a screen with one narrow card.
 * @param {string} title
 * @param {...Child} content
 */
export const narrowCard = (title, ...content) =>
  h(
    'div',
    { class: 'screen access-narrow' },
    h('div', { class: 'card access-card' }, h('h1', { text: title }), ...content),
  );

/**
 * Create a card with a heading.
 * @param {object} options
 * @param {string} options.title
 * @param {string} options.testid
 * @param {Child} [options.action] beside the heading
 * @param {...Child} content
 */
export function section({ title, testid, action }, ...content) {
  const heading = h('h2', { id: `${testid}-title`, text: title });
  return h(
    'section',
    { class: 'card access-section', 'aria-labelledby': heading.id, data: { testid } },
    h('div', { class: 'access-section-head' }, heading, h('span', { class: 'spacer' }), action ?? null),
    ...content,
  );
}

/**
 * Create a table that scrolls sideways where it does not fit.
 * @param {string} label
 * @param {string} className
 * @param {[text: string, className?: string][]} heads
 * @param {HTMLElement} body
 */
export function tableCard(label, className, heads, body) {
  return h(
    'div',
    { class: 'table-scroll', tabindex: '0', role: 'region', 'aria-label': label },
    h(
      'table',
      { class: `table ${className}` },
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          heads.map(([text, look = '']) =>
            text === t('common.actions')
              ? h('th', { scope: 'col', class: look }, h('span', { class: 'visually-hidden', text }))
              : h('th', { scope: 'col', class: look, text }),
          ),
        ),
      ),
      body,
    ),
  );
}

/** Create what a table shows while it loads. */
export const loadingRows = () =>
  h(
    'div',
    { class: 'table-loading', 'aria-busy': 'true' },
    h('p', { class: 'visually-hidden', text: t('common.loading') }),
    Array.from({ length: 3 }, () => h('div', { class: 'skeleton' })),
  );
