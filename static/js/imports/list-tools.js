// Controls above the lists of an import: tabs with counts, selects, and the link that downloads the list.

import { h } from '../core/dom.js';
import { formatNumber } from '../core/format.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';

/**
 * Create tabs, of which one is chosen.
 * @template {string} Name
 * @param {object} options
 * @param {string} options.label of the group
 * @param {string} options.testid of the tabs, followed by their names
 * @param {{name: Name, label: string, count: number}[]} options.tabs
 * @param {(name: Name) => void} options.onChoose
 * @returns {{element: HTMLElement, show: (chosen: Name) => void}}
 */
export function createTabs({ label, testid, tabs, onChoose }) {
  const buttons = tabs.map((tab) =>
    h(
      'button',
      {
        class: 'filter-tab',
        type: 'button',
        data: { testid: `${testid}-${tab.name}` },
        on: { click: () => onChoose(tab.name) },
      },
      tab.label,
      h('span', { class: 'tab-count tabular', text: formatNumber(tab.count) }),
    ),
  );
  /** @param {Name} chosen */
  const show = (chosen) =>
    buttons.forEach((button, index) => button.setAttribute('aria-pressed', String(tabs[index]?.name === chosen)));
  const element = h('div', { class: 'filter-tabs', role: 'group', 'aria-label': label }, buttons);
  return { element, show };
}

/**
 * Create the link that downloads a list. It has the address of the list that is shown when it is followed.
 * @param {string} testid
 * @param {() => string} address
 */
export function createDownloadLink(testid, address) {
  /** @type {HTMLAnchorElement} */
  const link = h(
    'a',
    { class: 'button button-small', href: address(), download: true, data: { testid } },
    icon('download'),
    t('imports.check.download'),
  );
  const update = () => link.setAttribute('href', address());
  return { element: link, update };
}

/**
 * Create a select.
 * @param {object} options
 * @param {string} options.label
 * @param {string} options.testid
 * @param {[value: string, label: string][]} options.choices
 * @param {() => void} options.onChange
 * @returns {HTMLSelectElement}
 */
export const createSelect = ({ label, testid, choices, onChange }) =>
  h(
    'select',
    { class: 'input', 'aria-label': label, data: { testid }, on: { change: onChange } },
    choices.map(([value, text]) => h('option', { value, text })),
  );
