// The documentation of the API, drawn from its OpenAPI document. Text only ever becomes a text node.

import { debounce, fill, h } from '../core/dom.js';
import { icon } from '../core/icons.js';
import { themeSwitch } from '../core/theme.js';
import { curlOf, fieldsOf, kindOf, resolve, sampleOf } from './schema.js';

const SOURCE = '/api/openapi.json';
const METHODS = ['get', 'post', 'put', 'patch', 'delete'];
const COPIED_MS = 2000;
const TYPING_PAUSE_MS = 120;

const main = document.getElementById('main');
const nav = document.getElementById('calls');
document.getElementById('tools').append(themeSwitch());

try {
  const response = await fetch(SOURCE);
  if (!response.ok) throw new Error(String(response.status));
  show(await response.json());
} catch {
  fill(
    main,
    h(
      'p',
      { role: 'alert' },
      'The description of the API could not be loaded. Load this page again, or read ',
      h('a', { href: SOURCE, text: 'openapi.json' }),
      '.',
    ),
  );
}

function show(root) {
  const calls = Object.entries(root.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) =>
      draw(root, method, path, {
        ...item[method],
        parameters: [...(item.parameters ?? []), ...(item[method].parameters ?? [])],
      }),
    ),
  );
  const groups = root.tags
    .map((tag) =>
      group(
        tag,
        calls.filter((call) => call.tag === tag.name),
      ),
    )
    .filter((one) => one.calls.length);
  const empty = h('p', { class: 'docs-empty', hidden: true, text: 'No call matches the search.' });
  const about = h(
    'div',
    { class: 'docs-about' },
    h('h1', { text: `${root.info.title} API` }),
    markdown(root.info.description),
    h('p', { class: 'docs-links' }, h('a', { href: SOURCE, text: 'openapi.json' }), `OpenAPI ${root.openapi}`),
  );
  const said = h('p', { class: 'visually-hidden', role: 'status' });
  const search = h('input', {
    class: 'input',
    type: 'search',
    placeholder: 'Search calls',
    'aria-label': 'Search calls',
    'aria-keyshortcuts': '/',
    autocomplete: 'off',
    on: { input: debounce(() => find(search.value), TYPING_PAUSE_MS) },
  });
  const find = (text) => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    for (const call of calls) {
      const hidden = !words.every((word) => call.words.includes(word));
      call.element.hidden = hidden;
      call.entry.hidden = hidden;
    }
    for (const one of groups) {
      for (const part of one.parts) part.hidden = one.calls.every((call) => call.element.hidden);
    }
    const found = calls.filter((call) => !call.element.hidden).length;
    empty.hidden = found > 0;
    about.classList.toggle('docs-about-brief', words.length > 0);
    said.textContent = text ? `${found} of ${calls.length} calls` : '';
  };

  fill(
    nav,
    h('label', { class: 'docs-search' }, icon('search'), search),
    groups.map((one) => one.entries),
    said,
  );
  fill(
    main,
    about,
    groups.map((one) => one.section),
    empty,
  );

  document.addEventListener('keydown', (event) => {
    if (
      event.key !== '/' ||
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      event.target.closest('input, select, textarea')
    ) {
      return;
    }
    event.preventDefault();
    search.focus();
  });
  const open = () => {
    const wanted = calls.find((call) => `#${call.element.id}` === location.hash);
    for (const call of calls) call.entry.firstChild.toggleAttribute('aria-current', call === wanted);
    if (!wanted) return;
    wanted.element.open = true;
    wanted.element.scrollIntoView();
  };
  addEventListener('hashchange', open);
  // A second click on the same call changes no address.
  nav.addEventListener('click', (event) => event.target.closest('a') && setTimeout(open));
  open();
}

function group(tag, calls) {
  const title = h('h2', { text: tag.name });
  const element = h(
    'section',
    {},
    title,
    h('p', { class: 'muted', text: tag.description }),
    calls.map((call) => call.element),
  );
  const entries = [
    h('p', { class: 'docs-group', text: tag.name }),
    h(
      'ul',
      {},
      calls.map((call) => call.entry),
    ),
  ];
  return { calls, section: element, entries, parts: [element, ...entries] };
}

function draw(root, method, path, call) {
  const badge = () => h('span', { class: `method method-${method}`, text: method.toUpperCase() });
  const entry = h('li', {}, h('a', { href: `#${call.operationId}` }, badge(), h('span', { text: call.summary })));
  const { parameters } = call;
  const places = [
    ['path', 'Path'],
    ['query', 'Query'],
    ['header', 'Headers'],
  ];
  const [type, body] = Object.entries(call.requestBody?.content ?? {})[0] ?? [];
  const element = h(
    'details',
    { class: 'call card', id: call.operationId },
    h(
      'summary',
      {},
      badge(),
      h('h3', {}, h('code', { class: 'call-path', text: path })),
      h('span', { class: 'muted', text: call.summary }),
      icon('chevron'),
    ),
    h(
      'div',
      { class: 'call-body' },
      call.description && h('div', { class: 'call-text' }, markdown(call.description)),
      h('h4', { text: 'Example' }),
      sample(curlOf(root, method, path, call), `The call ${call.summary} for the shell`),
      places.map(([place, title]) =>
        section(
          title,
          fields(
            root,
            parameters
              .filter((one) => one.in === place)
              .map((one) => ({ ...one, schema: { ...one.schema, description: one.description } })),
          ),
        ),
      ),
      body && section(`Body: ${type}`, fields(root, fieldsOf(root, body.schema))),
      h('h4', { text: 'Answers' }),
      Object.entries(call.responses)
        .sort()
        .map(([status, answer]) => answerOf(root, status, resolve(root, answer))),
    ),
  );
  const words = [method, path, call.summary, call.description, call.operationId, ...parameters.map((one) => one.name)]
    .join(' ')
    .toLowerCase();
  return { tag: call.tags[0], entry, element, words };
}

function section(title, content) {
  return content && [h('h4', { text: title }), content];
}

function fields(root, list) {
  return (
    list.length > 0 &&
    h(
      'dl',
      { class: 'fields' },
      list.map((field) =>
        h(
          'div',
          {},
          h(
            'dt',
            {},
            h('code', { text: field.name }),
            field.required && h('span', { class: 'field-required', text: ' required' }),
            h('span', { class: 'field-kind', text: kindOf(root, field.schema) }),
          ),
          h('dd', {}, inline(field.schema.description ?? '')),
        ),
      ),
    )
  );
}

function answerOf(root, status, answer) {
  const [type, content] = Object.entries(answer.content ?? {})[0] ?? [];
  const headers = Object.entries(answer.headers ?? {}).map(([name, header]) => ({
    name,
    schema: { ...header.schema, description: header.description },
  }));
  const values = Object.values(content?.examples ?? {}).map((one) => one.value);
  const known =
    content &&
    !values.length &&
    (content.example ?? (resolve(root, content.schema).properties && sampleOf(root, content.schema)));
  const samples = known ? [known] : values;
  const good = status < '400';
  const parts = [
    fields(root, headers),
    // An answer has all of its fields: nothing to say about which are required.
    good &&
      content &&
      fields(
        root,
        fieldsOf(root, content.schema).map((field) => ({ ...field, required: false })),
      ),
    samples.map((one) =>
      sample(typeof one === 'string' ? one : JSON.stringify(one, null, 2), `An answer with the status ${status}`),
    ),
  ];
  return h(
    'details',
    { class: 'call answer' },
    h(
      'summary',
      {},
      h('span', { class: `status status-${good ? 'good' : 'bad'}`, text: status }),
      h('span', { class: 'answer-text' }, inline(answer.description)),
      type && h('span', { class: 'muted', text: type }),
      icon('chevron'),
    ),
    h(
      'div',
      { class: 'answer-body' },
      parts.flat().some(Boolean) ? parts : h('p', { class: 'muted', text: 'Nothing more.' }),
    ),
  );
}

function sample(text, what) {
  const button = h('button', {
    class: 'button button-small',
    type: 'button',
    text: 'Copy',
    'aria-label': `Copy: ${what}`,
    on: { click: copy },
  });
  let timer = 0;
  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = 'Copied';
    } catch {
      // Browsers refuse where the page came without TLS; the text can still be selected.
      button.textContent = 'Select it';
    }
    clearTimeout(timer);
    timer = setTimeout(() => {
      button.textContent = 'Copy';
    }, COPIED_MS);
  }
  return h('div', { class: 'sample' }, h('pre', {}, h('code', { text })), button);
}

function markdown(text) {
  return h(
    'div',
    { class: 'docs-text' },
    text
      .trim()
      .split(/\n\s*\n/)
      .map((part) => h('p', {}, inline(part))),
  );
}

// `code` and **strong**, which is all that the document uses.
function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
    if (part.startsWith('`')) return h('code', { text: part.slice(1, -1) });
    return part.startsWith('**') ? h('strong', { text: part.slice(2, -2) }) : part;
  });
}
