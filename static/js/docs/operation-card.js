// The card of one operation: an example, its parameters, its body and its responses.

import { h } from '../core/dom.js';
import { icon } from '../core/icons.js';
import { markdownBlock, markdownInline } from './markdown.js';
import { curlCommand, describeType, exampleOf, listFields, resolveReference } from './schema.js';

/**
 * @typedef {import('../core/dom.js').Child} Child
 * @typedef {import('./openapi.d.ts').Field} Field
 * @typedef {import('./openapi.d.ts').MediaType} MediaType
 * @typedef {import('./openapi.d.ts').OpenApiDocument} OpenApiDocument
 * @typedef {import('./openapi.d.ts').Operation} Operation
 * @typedef {import('./openapi.d.ts').Response} Response
 */

const COPIED_MS = 2000;

/** The title of each kind of parameter, by its `in`. */
const PARAMETER_TITLES = Object.entries({ path: 'Path', query: 'Query', header: 'Headers' });

/**
 * @param {string} method
 * @returns {HTMLElement}
 */
export function createMethodBadge(method) {
  return h('span', { class: `method method-${method}`, text: method.toUpperCase() });
}

/**
 * Create the card of an operation. Its body is made when it is opened for the first time: all bodies together have
 * thousands of elements, and a reader opens a few.
 * @param {OpenApiDocument} root
 * @param {string} method
 * @param {string} path
 * @param {Operation} operation
 * @returns {HTMLDetailsElement}
 */
export function createOperationCard(root, method, path, operation) {
  const card = h(
    'details',
    { class: 'call card', id: operation.operationId },
    h(
      'summary',
      {},
      createMethodBadge(method),
      h('h3', {}, h('code', { class: 'call-path', text: path })),
      h('span', { class: 'muted', text: operation.summary }),
      icon('chevron'),
    ),
  );
  card.addEventListener('toggle', () => card.append(createBody(root, method, path, operation)), { once: true });
  return card;
}

/**
 * @param {OpenApiDocument} root
 * @param {string} method
 * @param {string} path
 * @param {Operation} operation
 * @returns {HTMLElement}
 */
function createBody(root, method, path, operation) {
  const { summary, description, parameters, requestBody, responses } = operation;
  const [type, body] = Object.entries(requestBody?.content ?? {})[0] ?? [];
  return h(
    'div',
    { class: 'call-body' },
    description && h('div', { class: 'call-text' }, markdownBlock(description)),
    h('h4', { text: 'Example' }),
    createSample(curlCommand(root, method, path, operation, location.origin), `the curl command of ${summary}`),
    PARAMETER_TITLES.map(([place, title]) => {
      const fields = parameters
        .filter((parameter) => parameter.in === place)
        .map(({ name, required = false, schema, description: text }) => ({
          name,
          required,
          schema: { ...schema, description: text },
        }));
      return createSection(title, createFieldList(root, fields));
    }),
    body && createSection(`Body: ${type}`, createFieldList(root, listFields(root, body.schema))),
    h('h4', { text: 'Responses' }),
    Object.entries(responses)
      .sort(([left], [right]) => left.localeCompare(right))
      .map(([status, response]) => createResponse(root, status, resolveReference(root, response))),
  );
}

/**
 * @param {string} title
 * @param {Child} content
 * @returns {Child}
 */
function createSection(title, content) {
  return content && [h('h4', { text: title }), content];
}

/**
 * @param {OpenApiDocument} root
 * @param {Field[]} fields
 * @returns {HTMLElement | null} null if there are no fields
 */
function createFieldList(root, fields) {
  if (!fields.length) return null;
  return h(
    'dl',
    { class: 'fields' },
    fields.map(({ name, schema, required }) =>
      h(
        'div',
        {},
        h(
          'dt',
          {},
          h('code', { text: name }),
          required && h('span', { class: 'field-required', text: ' required' }),
          h('span', { class: 'field-kind', text: describeType(root, schema) }),
        ),
        h('dd', {}, markdownInline(schema.description ?? '')),
      ),
    ),
  );
}

/**
 * @param {OpenApiDocument} root
 * @param {string} status the HTTP status, as a text
 * @param {Response} response
 * @returns {HTMLElement}
 */
function createResponse(root, status, response) {
  const [type, content] = Object.entries(response.content ?? {})[0] ?? [];
  const isSuccess = status < '400';
  const headers = Object.entries(response.headers ?? {}).map(([name, { schema, description }]) => ({
    name,
    schema: { ...schema, description },
    required: false,
  }));
  // A response always has all of its fields, so the label "required" would say nothing.
  const fields = content && isSuccess ? listFields(root, content.schema) : [];
  const parts = [
    createFieldList(root, headers),
    createFieldList(
      root,
      fields.map((field) => ({ ...field, required: false })),
    ),
    ...(content ? listExamples(root, content) : []).map((example) =>
      createSample(
        typeof example === 'string' ? example : JSON.stringify(example, null, 2),
        `an example of a response with status ${status}`,
      ),
    ),
  ];
  return h(
    'details',
    { class: 'call response' },
    h(
      'summary',
      {},
      h('span', { class: `status status-${isSuccess ? 'good' : 'bad'}`, text: status }),
      h('span', { class: 'response-text' }, markdownInline(response.description)),
      type && h('span', { class: 'muted', text: type }),
      icon('chevron'),
    ),
    h(
      'div',
      { class: 'response-body' },
      parts.some(Boolean) ? parts : h('p', { class: 'muted', text: 'This response has no body.' }),
    ),
  );
}

/**
 * @param {OpenApiDocument} root
 * @param {MediaType} content
 * @returns {unknown[]} the examples of the document, or one made from the schema if that has fields
 */
function listExamples(root, { schema, example, examples = {} }) {
  const given = Object.values(examples).map(({ value }) => value);
  if (given.length) return given;
  if (example) return [example];
  return resolveReference(root, schema).properties ? [exampleOf(root, schema)] : [];
}

/**
 * @param {string} text
 * @param {string} description what the button copies, for screen readers
 * @returns {HTMLElement}
 */
function createSample(text, description) {
  let timer = 0;
  const button = h('button', {
    class: 'button button-small',
    type: 'button',
    text: 'Copy',
    'aria-label': `Copy: ${description}`,
    on: { click: copy },
  });
  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = 'Copied';
    } catch {
      // Browsers refuse to copy on pages without TLS; people can still select the text.
      button.textContent = 'Select the text';
    }
    clearTimeout(timer);
    timer = setTimeout(() => {
      button.textContent = 'Copy';
    }, COPIED_MS);
  }
  return h('div', { class: 'sample' }, h('pre', {}, h('code', { text })), button);
}
