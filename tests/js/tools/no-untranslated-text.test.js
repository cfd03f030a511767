import { RuleTester } from 'eslint';
import { test } from 'node:test';

import rule from '../../../tools/eslint/no-untranslated-text.js';

RuleTester.describe = (_name, run) => run();
RuleTester.it = test;

const errors = [{ messageId: 'found' }];

new RuleTester({ languageOptions: { ecmaVersion: 'latest', sourceType: 'module' } }).run('no-untranslated-text', rule, {
  valid: [
    "h('button', { class: 'button button-small', type: 'button', text: t('common.cancel') })",
    "import { x } from './Some Folder.js'",
    "element.querySelector('dialog[open] button')",
    "if (event.key === 'Escape') throw new Error(`The page has no element #${id}.`)",
    "headers.get('Retry-After'); transfer.types.includes('Files')",
    "h('span', { text: '–' })",
    "setText(count, String(total)); h('code', { text: 'POST ' })",
    "draw('path', { d: 'M8 10.5v-8m0 0L4.8 5.7' })",
    "element.setAttribute('aria-labelledby', 'first second')",
  ],
  invalid: [
    { code: "h('button', { text: 'cancel' })", errors },
    { code: "h('p', {}, 'no products')", errors },
    { code: "h('p', {}, isBusy ? 'saving' : t('common.save'))", errors },
    { code: "const LABELS = { admin: 'Administrator' }", errors },
    { code: "const TEXT = 'Nothing was found.'", errors },
    { code: 'toast(`${name} copied`)', errors },
    { code: 'const sentence = `${count} products were deleted`', errors },
    { code: "element.textContent = 'saved'", errors },
    { code: "input.setAttribute('aria-label', 'name')", errors },
    { code: "input.placeholder = 'search'", errors },
    { code: "showMessage(problem, text || 'wrong')", errors },
    { code: "throw new ApiError(status, { error: 'The answer could not be read.' })", errors },
  ],
});
