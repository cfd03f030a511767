// ESLint: the recommended rules, some stricter ones, and the direction of imports between the folders of static/js.

import js from '@eslint/js';
import globals from 'globals';

import noUntranslatedText from './tools/eslint/no-untranslated-text.js';

const FEATURES = ['access', 'docs', 'imports', 'products', 'webhooks'];
// The description of the API is in English, and so are the words around it.
const ENGLISH = ['docs/operation-card.js', 'docs/schema.js'];
// The words of all languages that files may have.
const WORD_LISTS = ['products/active-words.js'];

/**
 * Forbid imports from the given folders of static/js.
 * @param {string[]} folders
 * @param {string} message
 */
function forbidImportsFrom(folders, message) {
  const patterns = folders.map((folder) => ({ regex: `^(\\.\\./)+${folder}/`, message }));
  return { 'no-restricted-imports': ['error', { patterns }] };
}

export default [
  { ignores: ['node_modules/', '.venv/', 'instance/', 'uploads/', 'static/vendor/', 'static/dist/', '**/*.d.ts'] },
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    languageOptions: { ecmaVersion: 'latest', sourceType: 'module' },
    rules: {
      'array-callback-return': 'error',
      'arrow-body-style': 'error',
      curly: ['error', 'multi-line'],
      'default-case-last': 'error',
      eqeqeq: 'error',
      'max-len': ['error', { code: 120, tabWidth: 2, ignoreUrls: true }],
      'max-lines': ['error', 400],
      'no-console': 'error',
      'no-constructor-return': 'error',
      'no-else-return': ['error', { allowElseIf: false }],
      'no-eval': 'error',
      'no-extend-native': 'error',
      'no-implicit-coercion': 'error',
      'no-implicit-globals': 'error',
      'no-implied-eval': 'error',
      'no-lonely-if': 'error',
      'no-new-func': 'error',
      'no-new-wrappers': 'error',
      'no-param-reassign': 'error',
      'no-promise-executor-return': 'error',
      'no-return-assign': 'error',
      'no-script-url': 'error',
      'no-self-compare': 'error',
      'no-sequences': 'error',
      'no-shadow': 'error',
      'no-template-curly-in-string': 'error',
      'no-throw-literal': 'error',
      'no-unreachable-loop': 'error',
      'no-unused-expressions': ['error', { allowShortCircuit: true, allowTernary: true }],
      'no-unused-vars': ['error', { args: 'all', argsIgnorePattern: '^_', caughtErrors: 'all' }],
      'no-use-before-define': ['error', { functions: false, variables: false, classes: false }],
      'no-useless-return': 'error',
      'no-var': 'error',
      'object-shorthand': 'error',
      'prefer-arrow-callback': 'error',
      'prefer-const': 'error',
      'prefer-rest-params': 'error',
      'prefer-spread': 'error',
      'prefer-template': 'error',
      radix: 'error',
      'require-await': 'error',
      'sort-imports': ['error', { ignoreDeclarationSort: true }],
      yoda: 'error',
    },
  },
  {
    files: ['static/js/**/*.js'],
    languageOptions: { globals: globals.browser },
    rules: {
      // Text from files and from the server never becomes HTML: core/dom.js only creates text nodes.
      'no-restricted-properties': [
        'error',
        ...['innerHTML', 'outerHTML', 'insertAdjacentHTML', 'setHTMLUnsafe', 'createContextualFragment'].map(
          (property) => ({ property, message: 'Use h() or fill() of core/dom.js, which only create text nodes.' }),
        ),
      ],
    },
  },
  {
    files: ['static/js/**/*.js'],
    ignores: [...ENGLISH, ...WORD_LISTS].map((pattern) => `static/js/${pattern}`),
    plugins: { page: { rules: { 'no-untranslated-text': noUntranslatedText } } },
    rules: { 'page/no-untranslated-text': 'error' },
  },
  {
    // Runs before the first paint, as a classic script.
    files: ['static/js/core/theme-early.js'],
    languageOptions: { sourceType: 'script' },
  },
  {
    files: ['static/js/core/**/*.js'],
    rules: forbidImportsFrom([...FEATURES], 'core must not depend on a feature.'),
  },
  ...FEATURES.map((feature) => ({
    files: [`static/js/${feature}/**/*.js`],
    rules: forbidImportsFrom(
      FEATURES.filter((other) => other !== feature),
      'Features must not import each other: move what they share to core, or use a signal of core/app-events.js.',
    ),
  })),
  {
    files: ['tests/js/**/*.js', 'tools/**/*.js', 'eslint.config.js', 'tests/support/tus-client.js'],
    languageOptions: { globals: globals.node },
  },
  {
    // One function that a test evaluates in the page.
    files: ['tests/support/layout.js'],
    languageOptions: { globals: globals.browser },
    rules: { 'no-unused-expressions': 'off' },
  },
  {
    // Code in texts, which may have templates.
    files: ['tests/js/tools/**/*.js'],
    rules: { 'no-template-curly-in-string': 'off' },
  },
];
