import assert from 'node:assert/strict';
import { test } from 'node:test';

import { curlCommand, describeType, exampleOf, listFields, resolveReference } from '../../../static/js/docs/schema.js';

/** @typedef {import('../../../static/js/docs/openapi.d.ts').Operation} Operation */

const PRODUCT = {
  type: 'object',
  required: ['sku'],
  properties: { sku: { type: 'string', maxLength: 255 }, active: { type: 'boolean', default: true } },
};
const ROOT = {
  openapi: '3.1.0',
  info: { title: 'Test', description: '', version: '1.0.0' },
  tags: [],
  paths: {},
  components: {
    schemas: { Product: PRODUCT, 'odd/~name': { type: 'integer' }, Alias: { $ref: '#/components/schemas/Product' } },
  },
};

/** @type {Operation} */
const OPERATION = { operationId: 'call', summary: 'A call', tags: ['Calls'], parameters: [], responses: {} };

test('references are followed through aliases and escaped names', () => {
  assert.equal(resolveReference(ROOT, { $ref: '#/components/schemas/Alias' }), PRODUCT);
  assert.deepEqual(resolveReference(ROOT, { $ref: '#/components/schemas/odd~1~0name' }), { type: 'integer' });
});

test('the fields of objects and lists have paths', () => {
  /** @type {import('../../../static/js/docs/openapi.d.ts').Schema} */
  const schema = {
    allOf: [
      { properties: { product: { $ref: '#/components/schemas/Product' } } },
      { properties: { products: { type: 'array', items: { $ref: '#/components/schemas/Product' } } } },
    ],
  };
  assert.deepEqual(
    listFields(ROOT, schema).map(({ name, required }) => [name, required]),
    [
      ['product.sku', true],
      ['product.active', false],
      ['products[].sku', true],
      ['products[].active', false],
    ],
  );
});

test('a schema that contains itself ends at a limited depth', () => {
  /** @type {import('../../../static/js/docs/openapi.d.ts').Schema} */
  const schema = { properties: {} };
  schema.properties = { child: schema };
  assert.deepEqual(
    listFields(ROOT, schema).map(({ name }) => name),
    ['child.child.child.child'],
  );
});

for (const [schema, expected] of /** @type {const} */ ([
  [{ type: 'integer', minimum: 1, maximum: 1000 }, 'whole number, 1 to 1,000'],
  [{ type: 'integer', minimum: 1 }, 'whole number, at least 1'],
  [{ type: 'string', minLength: 1, maxLength: 255 }, 'text, not empty, at most 255 characters'],
  [{ type: ['string', 'null'], format: 'date-time' }, 'time or time'],
  [{ type: 'array', items: { type: 'string' }, maxItems: 5 }, 'list of text, at most 5'],
  [{ enum: ['a', 'b'] }, '"a", "b"'],
  [{ anyOf: [{ type: 'boolean' }, { type: 'integer' }] }, 'true or false or whole number'],
  [{ type: 'boolean', default: false }, 'true or false, default false'],
  [{}, 'any value'],
])) {
  test(`${JSON.stringify(schema)} is described as ${expected}`, () => {
    assert.equal(describeType(ROOT, /** @type {any} */ (schema)), expected);
  });
}

test('examples come from the schema, or else from its type', () => {
  assert.equal(exampleOf(ROOT, { example: 'given', default: 'other' }), 'given');
  assert.equal(exampleOf(ROOT, { enum: ['first', 'second'] }), 'first');
  assert.deepEqual(exampleOf(ROOT, { $ref: '#/components/schemas/Product' }), { sku: '', active: true });
  assert.deepEqual(exampleOf(ROOT, { type: 'array', items: { type: 'integer' } }), [0]);
  assert.equal(exampleOf(ROOT, { anyOf: [{ type: 'boolean' }] }), true);
  assert.equal(exampleOf(ROOT, { type: ['string', 'null'] }), null);
});

test('curl quotes its arguments for the shell and sends JSON', () => {
  const schema = { example: { name: "Bob's" } };
  const operation = { ...OPERATION, requestBody: { content: { 'application/json': { schema } } } };
  assert.equal(
    curlCommand(ROOT, 'post', '/api/products', operation, 'http://test'),
    [
      "curl 'http://test/api/products' \\",
      "  -H 'Content-Type: application/json' \\",
      String.raw`  -d '{"name":"Bob'\''s"}'`,
    ].join('\n'),
  );
});

test('curl fills the path, names the method and keeps streams unbuffered', () => {
  const parameters = [{ name: 'id', in: 'path', schema: { type: 'integer' } }];
  assert.equal(
    curlCommand(ROOT, 'delete', '/api/products/{id}', { ...OPERATION, parameters }, 'http://test'),
    "curl -X DELETE 'http://test/api/products/42'",
  );
  const responses = { 200: { description: '', content: { 'text/event-stream': { schema: {} } } } };
  assert.equal(
    curlCommand(ROOT, 'get', '/api/stream', { ...OPERATION, responses }, 'http://test'),
    "curl -N 'http://test/api/stream'",
  );
});
