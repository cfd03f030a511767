// Reads JSON Schemas of the OpenAPI document: their fields, what a value may be, an example.

const DEEPEST = 3;

/**
 * @param {object} root the OpenAPI document
 * @param {object} part a schema, answer or parameter, or a reference to one
 * @returns {object} what is referred to
 */
export function resolve(root, part) {
  let found = part;
  while (found?.$ref) {
    found = found.$ref
      .slice(2)
      .split('/')
      .reduce((value, key) => value[key.replaceAll('~1', '/').replaceAll('~0', '~')], root);
  }
  return found ?? {};
}

/**
 * Every field of a schema; of one that has fields itself only those, as `a.b` and `list[].b`.
 * @returns {{name: string, schema: object, required: boolean}[]}
 */
export function fieldsOf(root, schema, prefix = '', depth = 0) {
  const { properties = {}, required = [], allOf = [] } = resolve(root, schema);
  if (allOf.length) return allOf.flatMap((part) => fieldsOf(root, part, prefix, depth));
  return Object.entries(properties).flatMap(([key, value]) => {
    const field = resolve(root, value);
    const name = prefix + key;
    const inner = field.type === 'array' ? resolve(root, field.items) : field;
    if (inner.properties && depth < DEEPEST) {
      return fieldsOf(root, inner, `${name}${field.type === 'array' ? '[]' : ''}.`, depth + 1);
    }
    return [{ name, schema: field, required: required.includes(key) }];
  });
}

/** @returns {string} what a value may be, in words */
export function kindOf(root, schema) {
  const { type, format, enum: words, items, anyOf, oneOf } = resolve(root, schema);
  if (words) return words.map((word) => JSON.stringify(word)).join(', ');
  if (anyOf ?? oneOf) return (anyOf ?? oneOf).map((one) => kindOf(root, one)).join(' or ');
  const names = (Array.isArray(type) ? type : [type ?? 'any value']).map((name) =>
    name === 'array' ? `list of ${kindOf(root, items)}` : (NAMES[format] ?? NAMES[name] ?? name),
  );
  return [names.join(' or '), ...limits(schema)].join(', ');
}

const NAMES = {
  boolean: 'true or false',
  integer: 'whole number',
  string: 'text',
  'date-time': 'time',
  uuid: 'UUID',
  binary: 'file',
};

function limits({ minimum, maximum, minLength, maxLength, maxItems, default: usual }) {
  const words = [];
  if (minimum !== undefined && maximum !== undefined) words.push(`${number(minimum)} to ${number(maximum)}`);
  else if (minimum > 0) words.push(`at least ${number(minimum)}`);
  if (minLength) words.push('not empty');
  if (maxLength) words.push(`at most ${number(maxLength)} characters`);
  if (maxItems) words.push(`at most ${number(maxItems)}`);
  if (usual !== undefined) words.push(`default ${usual}`);
  return words;
}

function number(value) {
  return value.toLocaleString('en');
}

/** @returns {*} a value that fits a schema */
export function sampleOf(root, schema) {
  const {
    type,
    format,
    enum: words,
    examples,
    example,
    default: usual,
    properties,
    items,
    anyOf,
  } = resolve(root, schema);
  const given = example ?? examples?.[0] ?? usual ?? words?.[0];
  if (given !== undefined) return given;
  if (anyOf) return sampleOf(root, anyOf[0]);
  if (properties) {
    return Object.fromEntries(Object.entries(properties).map(([name, value]) => [name, sampleOf(root, value)]));
  }
  if (Array.isArray(type) && type.includes('null')) return null;
  return (
    { array: items ? [sampleOf(root, items)] : [], integer: 0, number: 0, boolean: true, object: {} }[type] ??
    SAMPLES[format] ??
    ''
  );
}

const SAMPLES = { uuid: '5b0c6d1e-7f0a-4c52-9d6b-0f2a51f0f6a3', 'date-time': '2026-11-24T04:00:00.123456Z' };

/** @returns {string} a call as a line for the shell */
export function curlOf(root, method, path, call) {
  const inPath = call.parameters.filter((one) => one.in === 'path');
  const address = inPath.reduce(
    (text, { name, schema }) => text.replace(`{${name}}`, schema.format === 'uuid' ? SAMPLES.uuid : '42'),
    path,
  );
  const [type, body] = Object.entries(call.requestBody?.content ?? {})[0] ?? [];
  const streams = Object.values(call.responses).some((answer) => answer.content?.['text/event-stream']);
  const words = ['curl'];
  if (streams) words.push('-N');
  if (method !== 'get' && !(method === 'post' && body)) words.push('-X', method.toUpperCase());
  words.push(quoted(`${location.origin}${address}`));
  if (type === 'application/json') {
    const data = JSON.stringify(body.example ?? sampleOf(root, body.schema));
    words.push(`\\\n  -H 'Content-Type: application/json' \\\n  -d ${quoted(data)}`);
  }
  if (type === 'multipart/form-data') words.push('\\\n  -F file=@products.csv');
  return words.join(' ');
}

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
