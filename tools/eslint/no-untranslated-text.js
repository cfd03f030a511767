// An ESLint rule: the texts of the page are in static/locales, so its modules contain none.

/** Two words, or a word beside an expression of a template, which stands as U+FFFC. */
const PHRASE = /(?:\p{L}{2,}|\uFFFC)\p{P}*\s+\p{L}{2,}|\p{L}{2,}\p{P}*\s+(?:\p{L}|\uFFFC)/u;
const CAPITALISED_WORD = /^\p{Lu}\p{Ll}+\p{P}*$/u;
const WORD = /\p{L}{2,}/u;
/** What no text of the page looks like. */
const PROGRAM_TEXTS = [
  // Selectors of CSS.
  /[[\]#>]|^[.:]/,
  // Addresses, JSON, commands, names of files and objects of the API, such as "product:12".
  /^https?:|^\{"|^curl |^[a-z]+:\d+$|^\w+\.json$/,
  // Abbreviations, such as "POST" and "SKU". They are the same in every language.
  /^[A-Z]+\s*$/,
];

/** Words that programs read: names of keys (UI Events), headers (RFC 9110), members of `Intl` and types of drags. */
const PROGRAM_WORDS = new Set([
  ...['Accept', 'Authorization', 'Backspace', 'Bearer', 'Date', 'Delete', 'End', 'Enter', 'Escape', 'Files', 'Home'],
  ...['Location', 'Prefer', 'Tab', 'Unidentified'],
]);
const PROGRAM_ATTRIBUTES = new Set([
  ...['accept', 'aria-controls', 'aria-describedby', 'aria-keyshortcuts', 'aria-labelledby', 'autocomplete', 'class'],
  ...['className', 'd', 'id', 'key', 'look', 'name', 'points', 'rel', 'role', 'testid', 'transform', 'type', 'viewBox'],
]);
const PROGRAM_FUNCTIONS = new Set([
  ...['add', 'closest', 'closestTo', 'contains', 'createElement', 'drawLine', 'matchMedia', 'matches'],
  ...['querySelector', 'querySelectorAll', 'remove', 'toggle'],
]);
const TEXT_ATTRIBUTES = new Set([
  ...['alt', 'aria-description', 'aria-label', 'aria-roledescription', 'aria-valuetext', 'ariaLabel', 'detail'],
  ...['empty', 'heading', 'hint', 'label', 'message', 'nothing', 'ok', 'placeholder', 'summary', 'text', 'textContent'],
  ...['title'],
]);
/** Functions that show their arguments from this one on. */
const TEXT_FUNCTIONS = new Map(
  [
    ...[
      ['announce', 0],
      ['append', 0],
      ['fill', 1],
      ['h', 2],
      ['refill', 1],
      ['setText', 1],
    ],
    ...[
      ['showMessage', 1],
      ['toast', 0],
    ],
  ].map((pair) => /** @type {[string, number]} */ (pair)),
);

/** @param {any} node a literal or a template @returns {string} */
function textOf(node) {
  if (node.type === 'Literal') return node.value;
  return node.quasis.map((/** @type {any} */ quasi) => quasi.value.cooked ?? '').join('\uFFFC');
}

/** @param {any} node @returns {string} the name of a property, a member or a function */
function nameOf(node) {
  if (node.type === 'Identifier') return node.name;
  if (node.type === 'Literal') return String(node.value);
  return node.type === 'MemberExpression' ? nameOf(node.property) : '';
}

/**
 * Return what a text is for: "program" or "text" if its place says so, otherwise "unknown".
 * @param {any} node
 * @returns {'program' | 'text' | 'unknown'}
 */
function purposeOf(node) {
  const { parent } = node;
  if (
    ['ImportDeclaration', 'ImportExpression', 'ExportNamedDeclaration', 'ExportAllDeclaration'].includes(parent.type)
  ) {
    return 'program';
  }
  if (parent.type === 'BinaryExpression' && parent.operator !== '+') return 'program';
  if (parent.type === 'SwitchCase') return 'program';
  if (parent.type === 'ConditionalExpression') return parent.test === node ? 'program' : purposeOf(parent);
  if (['BinaryExpression', 'LogicalExpression', 'TemplateLiteral', 'ArrayExpression'].includes(parent.type)) {
    return purposeOf(parent);
  }
  if (parent.type === 'Property') return parent.key === node ? 'program' : purposeOfName(nameOf(parent.key));
  if (parent.type === 'VariableDeclarator') return purposeOfName(nameOf(parent.id));
  if (parent.type === 'AssignmentExpression') return purposeOfName(nameOf(parent.left));
  if (parent.type === 'MemberExpression') return 'program';
  if (parent.type === 'NewExpression') return nameOf(parent.callee) === 'Error' ? 'program' : 'unknown';
  if (parent.type === 'CallExpression') return purposeOfArgument(parent, node);
  return 'unknown';
}

/** @param {string} name of an attribute or a property */
function purposeOfName(name) {
  if (PROGRAM_ATTRIBUTES.has(name)) return 'program';
  return TEXT_ATTRIBUTES.has(name) ? 'text' : 'unknown';
}

/**
 * @param {any} call
 * @param {any} node
 */
function purposeOfArgument(call, node) {
  const name = nameOf(call.callee);
  const index = call.arguments.indexOf(node);
  if (PROGRAM_FUNCTIONS.has(name)) return 'program';
  if (name === 'setAttribute') return index === 1 ? purposeOfName(nameOf(call.arguments[0])) : 'program';
  const firstText = TEXT_FUNCTIONS.get(name);
  return firstText !== undefined && index >= firstText ? 'text' : 'unknown';
}

/** @param {any} node @returns {boolean} */
function isUntranslated(node) {
  const text = textOf(node);
  if (PROGRAM_TEXTS.some((pattern) => pattern.test(text)) || PROGRAM_WORDS.has(text)) return false;
  const purpose = purposeOf(node);
  if (purpose === 'program') return false;
  return (purpose === 'text' && WORD.test(text)) || PHRASE.test(text) || CAPITALISED_WORD.test(text);
}

/** @type {import('eslint').Rule.RuleModule} */
export default {
  meta: {
    type: 'problem',
    messages: { found: 'Move this text to static/locales, and get it with t() of core/i18n.js.' },
  },
  create(context) {
    /** @param {any} node */
    const check = (node) => {
      if (isUntranslated(node)) context.report({ node, messageId: 'found' });
    };
    return {
      Literal: (node) => typeof node.value === 'string' && check(node),
      TemplateLiteral: check,
    };
  },
};
