// The buttons and keys that lead from the dialog of a product to the previous and the next one.

import { h } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';

/** @import { Step } from './dialog.js' */

/**
 * Create the buttons.
 * @param {(step: Step) => void} onStep
 */
export function createStepButtons(onStep) {
  const buttons = {
    [-1]: stepButton(t('products.step.previous'), 'Alt+↑', 'ArrowUp', 'ascending', () => onStep(-1)),
    [1]: stepButton(t('products.step.next'), 'Alt+↓', 'ArrowDown', 'descending', () => onStep(1)),
  };
  return {
    element: h('div', { class: 'product-steps' }, buttons[-1], buttons[1]),
    /** @param {(step: Step) => boolean} has */
    show(has) {
      for (const step of /** @type {Step[]} */ ([-1, 1])) {
        // A disabled button would lose the focus.
        buttons[step].setAttribute('aria-disabled', String(!has(step)));
      }
    },
    /** @param {Step} step */
    focus: (step) => buttons[step].focus(),
  };
}

/**
 * @param {string} label
 * @param {string} keys
 * @param {string} key
 * @param {'ascending' | 'descending'} shape
 * @param {() => void} run
 */
function stepButton(label, keys, key, shape, run) {
  return h(
    'button',
    {
      class: 'icon-button',
      type: 'button',
      'aria-label': label,
      'aria-keyshortcuts': `Alt+${key}`,
      title: `${label} (${keys})`,
      data: { testid: key === 'ArrowUp' ? 'product-previous' : 'product-next' },
      on: { click: run },
    },
    icon(shape),
  );
}

/**
 * Return where a key leads: Alt with an arrow key up or down.
 * @param {Pick<KeyboardEvent, 'key' | 'altKey' | 'ctrlKey' | 'metaKey' | 'shiftKey'>} event
 * @returns {Step | null}
 */
export function stepOf({ key, altKey, ctrlKey, metaKey, shiftKey }) {
  if (!altKey || ctrlKey || metaKey || shiftKey) return null;
  return key === 'ArrowDown' ? 1 : key === 'ArrowUp' ? -1 : null;
}
