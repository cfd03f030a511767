// Describe JSON Schemas of an OpenAPI document: their fields, their types in words, and examples.

/**
 * @typedef {import('./openapi.d.ts').Field} Field
 * @typedef {import('./openapi.d.ts').OpenApiDocument} OpenApiDocument
 * @typedef {import('./openapi.d.ts').Operation} Operation
 * @typedef {import('./openapi.d.ts').Schema} Schema
 */

const MAX_DEPTH = 3;

/** @type {Record<string, string>} */
const TYPE_NAMES = {
  boolean: 'true or false',
  integer: 'whole number',
  string: 'text',
  'date-time': 'time',
  uuid: 'UUID',
  binary: 'file',
};

const UUID_EXAMPLE = '5b0c6d1e-7f0a-4c52-9d6b-0f2a51f0f6a3';

/** @type {Record<string, string>} */
const FORMAT_EXAMPLES = { uuid: UUID_EXAMPLE, 'date-time': '2026-11-24T04:00:00.123456Z' };

/**
 * Follow a reference such as `{"$ref": "#/components/schemas/Product"}` to its component (RFC 6901, JSON Pointer).
 * @template {{$ref?: string}} Part
 * @param {OpenApiDocument} root
 * @param {Part} part a part of the document, or a reference to one
 * @returns {Part}
 */
export function resolveReference(root, part) {
  let resolved = part;
  while (resolved.$ref) resolved = /** @type {Part} */ (readPointer(root, resolved.$ref.slice(2)));
  return resolved;
}

/**
 * @param {OpenApiDocument} root
 * @param {string} pointer
 * @returns {unknown}
 */
function readPointer(root, pointer) {
  /** @type {any} */
  let value = root;
  for (const key of pointer.split('/')) value = value[key.replaceAll('~1', '/').replaceAll('~0', '~')];
  return value;
}

/**
 * List the fields of a schema. A field that has fields itself is replaced by those, as `a.b` or `list[].b`.
 * @param {OpenApiDocument} root
 * @param {Schema} schema
 * @param {string} [prefix]
 * @param {number} [depth]
 * @returns {Field[]}
 */
export function listFields(root, schema, prefix = '', depth = 0) {
  const { properties = {}, required = [], allOf = [] } = resolveReference(root, schema);
  if (allOf.length) return allOf.flatMap((part) => listFields(root, part, prefix, depth));
  return Object.entries(properties).flatMap(([key, value]) => {
    const property = resolveReference(root, value);
    const name = prefix + key;
    const isArray = property.type === 'array';
    const inner = isArray && property.items ? resolveReference(root, property.items) : property;
    if (inner.properties && depth < MAX_DEPTH) {
      return listFields(root, inner, `${name}${isArray ? '[]' : ''}.`, depth + 1);
    }
    return [{ name, schema: property, required: required.includes(key) }];
  });
}

/**
 * Describe in words which values a schema accepts, such as "whole number, 1 to 100".
 * @param {OpenApiDocument} root
 * @param {Schema} schema
 * @returns {string}
 */
export function describeType(root, schema) {
  const { type, format = '', enum: values, items = {}, anyOf, oneOf } = resolveReference(root, schema);
  if (values) return values.map((value) => JSON.stringify(value)).join(', ');
  const alternatives = anyOf ?? oneOf;
  if (alternatives) return alternatives.map((alternative) => describeType(root, alternative)).join(' or ');
  const names = (Array.isArray(type) ? type : [type ?? 'any value']).map((name) =>
    name === 'array' ? `list of ${describeType(root, items)}` : (TYPE_NAMES[format] ?? TYPE_NAMES[name] ?? name),
  );
  return [names.join(' or '), ...describeLimits(schema)].join(', ');
}

/**
 * @param {Schema} schema
 * @returns {string[]}
 */
function describeLimits({ minimum, maximum, minLength, maxLength, maxItems, default: defaultValue }) {
  const limits = [];
  if (minimum !== undefined && maximum !== undefined) {
    limits.push(`${formatNumber(minimum)} to ${formatNumber(maximum)}`);
  } else if (minimum !== undefined && minimum > 0) limits.push(`at least ${formatNumber(minimum)}`);
  if (minLength) limits.push('not empty');
  if (maxLength) limits.push(`at most ${formatNumber(maxLength)} characters`);
  if (maxItems) limits.push(`at most ${formatNumber(maxItems)}`);
  if (defaultValue !== undefined) limits.push(`default ${defaultValue}`);
  return limits;
}

/** @param {number} value */
function formatNumber(value) {
  return value.toLocaleString('en');
}

/**
 * Return a value that fits a schema: the example that it gives, or one made from its type.
 * @param {OpenApiDocument} root
 * @param {Schema} schema
 * @returns {unknown}
 */
export function exampleOf(root, schema) {
  const { example, examples, default: defaultValue, enum: values, ...rest } = resolveReference(root, schema);
  const given = example ?? examples?.[0] ?? defaultValue ?? values?.[0];
  if (given !== undefined) return given;
  const { type, format = '', properties, items, anyOf } = rest;
  if (anyOf?.[0]) return exampleOf(root, anyOf[0]);
  if (properties) {
    return Object.fromEntries(Object.entries(properties).map(([name, value]) => [name, exampleOf(root, value)]));
  }
  if (Array.isArray(type)) return type.includes('null') ? null : '';
  /** @type {Record<string, unknown>} */
  const byType = { array: items ? [exampleOf(root, items)] : [], integer: 0, number: 0, boolean: true, object: {} };
  return byType[type ?? ''] ?? FORMAT_EXAMPLES[format] ?? '';
}

/**
 * Return an operation as a curl command for a POSIX shell.
 * @param {OpenApiDocument} root
 * @param {string} method
 * @param {string} path
 * @param {Operation} operation
 * @param {string} origin of the server, such as `https://example.com`
 * @returns {string}
 */
export function curlCommand(root, method, path, operation, origin) {
  let url = origin + path;
  for (const { name, in: place, schema } of operation.parameters) {
    if (place === 'path') url = url.replace(`{${name}}`, schema.format === 'uuid' ? UUID_EXAMPLE : '42');
  }
  const [type, body] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  const isStream = Object.values(operation.responses).some((response) => response.content?.['text/event-stream']);
  const words = ['curl'];
  if (isStream) words.push('-N');
  // With a body, curl sends POST by default.
  if (method !== 'get' && !(method === 'post' && body)) words.push('-X', method.toUpperCase());
  words.push(quoteForShell(url));
  if (type === 'application/json' && body) {
    const data = JSON.stringify(body.example ?? exampleOf(root, body.schema));
    words.push(`\\\n  -H 'Content-Type: application/json' \\\n  -d ${quoteForShell(data)}`);
  }
  if (type === 'multipart/form-data') words.push('\\\n  -F file=@products.csv');
  return words.join(' ');
}

/** @param {string} text */
function quoteForShell(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
