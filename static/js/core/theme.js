// The theme switch: automatic (the system decides), light or dark. theme-early.js applies the choice on the next load.

import { h } from './dom.js';
import { t } from './i18n.js';
import { icon } from './icons.js';

/** @type {{value: string, label: string, icon: import('./icons.js').IconName}[]} */
export const THEMES = [
  { value: 'auto', label: t('core.theme.auto'), icon: 'screen' },
  { value: 'light', label: t('core.theme.light'), icon: 'sun' },
  { value: 'dark', label: t('core.theme.dark'), icon: 'moon' },
];

/**
 * Create the switch: three radio buttons.
 * @returns {HTMLElement}
 */
export function themeSwitch() {
  const current = document.documentElement.dataset.theme ?? 'auto';
  return h(
    'fieldset',
    { class: 'theme-switch' },
    h('legend', { class: 'visually-hidden', text: t('core.theme.title') }),
    THEMES.map((choice) =>
      h(
        'label',
        { title: choice.label },
        h('input', {
          type: 'radio',
          name: 'theme',
          value: choice.value,
          class: 'visually-hidden',
          checked: choice.value === current,
          'aria-label': choice.label,
          on: { change: () => applyTheme(choice.value) },
        }),
        icon(choice.icon),
      ),
    ),
  );
}

/**
 * Use a theme from now on.
 * @param {string} theme
 */
export function applyTheme(theme) {
  /** @type {NodeListOf<HTMLInputElement>} */
  const choices = document.querySelectorAll('.theme-switch input');
  for (const choice of choices) choice.checked = choice.value === theme;
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem('theme', theme);
  } catch {
    // Storage may be blocked. The choice then lasts until the page is closed.
  }
}
