// What arguments a message takes, from its text in ICU MessageFormat.

import { TYPE, parse } from '@formatjs/icu-messageformat-parser';

/**
 * Return the arguments of a message with their types, sorted by name.
 * @param {string} message in ICU MessageFormat
 * @returns {Record<string, string>}
 * @throws {SyntaxError} if the message is invalid
 */
export function argumentTypes(message) {
  /** @type {Record<string, Set<string>>} */
  const types = {};
  collectTypes(parse(message, { requiresOtherClause: true }), types);
  return Object.fromEntries(
    Object.entries(types)
      .map(([name, found]) => /** @type {[string, string]} */ ([name, narrowest(found)]))
      .sort(([one], [other]) => (one < other ? -1 : 1)),
  );
}

/**
 * @param {import('@formatjs/icu-messageformat-parser').MessageFormatElement[]} elements
 * @param {Record<string, Set<string>>} types
 */
function collectTypes(elements, types) {
  for (const element of elements) {
    if (element.type === TYPE.literal || element.type === TYPE.pound) continue;
    (types[element.value] ??= new Set()).add(typeOf(element));
    if (element.type === TYPE.tag) collectTypes(element.children, types);
    if (element.type === TYPE.select || element.type === TYPE.plural) {
      for (const option of Object.values(element.options)) collectTypes(option.value, types);
    }
  }
}

/** @param {import('@formatjs/icu-messageformat-parser').MessageFormatElement} element */
function typeOf(element) {
  if (element.type === TYPE.tag) return 'Tag';
  if (element.type === TYPE.number || element.type === TYPE.plural) return 'number';
  if (element.type === TYPE.date || element.type === TYPE.time) return 'number | Date';
  if (element.type !== TYPE.select) return 'string | number';
  const options = Object.keys(element.options);
  return options.includes('true') ? 'boolean' : options.map((option) => `'${option}'`).join(' | ');
}

/** @param {Set<string>} types of the places where a message uses an argument */
function narrowest(types) {
  const special = [...types].filter((type) => type !== 'string | number');
  if (special.length > 1) throw new SyntaxError(`An argument is used in several ways: ${special.join('; ')}`);
  return special[0] ?? 'string | number';
}
