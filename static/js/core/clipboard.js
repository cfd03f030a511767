// Copies texts to the clipboard.

import { showBanner } from './banner.js';
import { h } from './dom.js';
import { t } from './i18n.js';
import { icon } from './icons.js';
import { toast } from './toast.js';

/**
 * Copy a text to the clipboard and show whether that worked.
 * @param {string} text
 * @param {string} what name of the text, such as "Secret"
 */
export async function copyText(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    toast(t('core.clipboard.copied', { what }));
  } catch {
    // Browsers offer a clipboard in secure contexts only.
    showBanner({
      key: 'clipboard',
      tone: 'warning',
      title: t('core.clipboard.refused'),
    });
  }
}

/**
 * Create a line with a text that is shown only once, and a button that copies it.
 * @param {string} label
 * @param {string} text
 * @param {string} testid
 */
export function copyLine(label, text, testid) {
  /** @type {HTMLInputElement} */
  const input = h('input', {
    class: 'input mono',
    readonly: true,
    value: text,
    'aria-label': label,
    data: { testid },
    on: { focus: () => input.select() },
  });
  const button = h(
    'button',
    { class: 'button', type: 'button', data: { testid: `${testid}-copy` }, on: { click: () => copyText(text, label) } },
    icon('copy'),
    t('common.copy'),
  );
  return h('div', { class: 'copy-line' }, input, button);
}
