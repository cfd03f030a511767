// The header of the products screen: title, total, export, menu and "New product".

import { h, setText } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { menuButton, menuItem } from '../core/menu.js';
import { may } from '../core/session.js';
import { EXPORT_FORMATS, fileDate } from './export.js';
import { exportAddress } from './query.js';

/** @import { Filters } from './query.js' */

/** @typedef {{total: number, isEstimate: boolean, filters: Filters}} HeaderState */

/**
 * Create the header.
 * @param {object} actions
 * @param {() => void} actions.onNew
 * @param {() => void} actions.onDeleteAll
 * @returns {{element: HTMLElement, show: (state: HeaderState) => void}}
 */
export function createProductHeader({ onNew, onDeleteAll }) {
  const total = h('span', { class: 'total tabular', data: { testid: 'products-total' } });
  const hint = h('span', { class: 'total-hint muted' });
  const exportText = h('span', { class: 'menu-title', role: 'presentation' });
  /** @type {Filters} */
  let shownFilters = {};
  const formats = EXPORT_FORMATS.map(([format, label]) => ({
    format,
    label,
    link: menuItem({ href: '#', testid: `export-${format.replace('.', '-')}` }, label),
  }));
  // The page may have been open since yesterday.
  const dateLinks = () => {
    for (const { format, link } of formats) link.setAttribute('href', exportAddress(shownFilters, format, fileDate()));
  };
  const exporting = menuButton({
    face: [icon('download'), h('span', { class: 'label', text: t('products.export.label') })],
    label: t('products.export.label'),
    testid: 'export',
    items: formats.map(({ link }) => link),
    onOpen: dateLinks,
  });
  exporting.querySelector('.menu')?.prepend(exportText);
  const more = menuButton({
    face: [icon('more', 'icon-bold')],
    label: t('products.header.more'),
    look: 'button-square',
    testid: 'products-menu',
    items: [
      menuItem(
        { run: onDeleteAll, testid: 'delete-all', danger: true },
        icon('trash'),
        t('products.header.delete_all'),
      ),
    ],
  });
  const create = h(
    'button',
    {
      class: 'button button-primary',
      type: 'button',
      'aria-keyshortcuts': 'n',
      title: t('products.header.new_hint'),
      data: { testid: 'new-product' },
      on: { click: onNew },
    },
    icon('plus'),
    h('span', { class: 'label', text: t('products.new') }),
  );

  /** @param {HeaderState} state */
  const show = ({ total: count, isEstimate, filters }) => {
    const filtered = Object.keys(filters).length > 0;
    setText(total, t('products.header.total', { isEstimate, count }));
    Object.assign(total.dataset, { total: count, estimate: String(isEstimate) });
    setText(hint, filtered ? t('products.header.matching') : '');
    setText(
      exportText,
      filtered
        ? t('products.export.title_matching', { isEstimate, count })
        : t('products.export.title', { isEstimate, count }),
    );
    shownFilters = filters;
    dateLinks();
    const title = exportText.textContent;
    for (const { label, link } of formats) {
      link.setAttribute('aria-label', t('products.export.link', { title, format: label }));
    }
  };
  const element = h(
    'div',
    { class: 'screen-head products-head' },
    h('h1', { text: t('products.title') }),
    total,
    hint,
    h(
      'div',
      { class: 'products-actions' },
      exporting,
      may('admin') ? more : null,
      may('products:write') ? create : null,
    ),
  );
  return { element, show };
}
