// The documentation of the API, made from its OpenAPI document.

import { installHeader } from '../app-header.js';
import { fetchWho } from '../core/api.js';
import { provideCommands } from '../core/commands.js';
import { closestTo, debounce, elementById, fill, h } from '../core/dom.js';
import { takeEarlyAnswer } from '../core/early-answers.js';
import { t, tRich } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { LANGUAGE } from '../core/locale.js';
import { setWho } from '../core/session.js';
import { markdownBlock } from './markdown.js';
import { createMethodBadge, createOperationCard } from './operation-card.js';

/**
 * @typedef {import('./openapi.d.ts').Method} Method
 * @typedef {import('./openapi.d.ts').OpenApiDocument} OpenApiDocument
 * @typedef {import('./openapi.d.ts').Operation} Operation
 * @typedef {import('./openapi.d.ts').Tag} Tag
 */

/**
 * An operation on the page: its card, its entry in the navigation and the text that the search looks through.
 * @typedef {{tag: string, id: string, card: HTMLDetailsElement, entry: HTMLElement, link: HTMLElement,
 *   searchText: string}} Call
 */

/**
 * The calls with one tag. `parts` are the elements to hide when the search matches none of them.
 * @typedef {{calls: Call[], section: HTMLElement, entries: HTMLElement[], parts: HTMLElement[]}} Group
 */

/** The description of the API is in English, whatever the language of the page. */
const DOCUMENT_LANGUAGE = 'en';
const DOCUMENT_URL = '/api/openapi.json';
/** @type {Method[]} */
const METHODS = ['get', 'head', 'options', 'post', 'put', 'patch', 'delete'];
const SEARCH_DELAY_MS = 120;

const main = elementById('main');
const nav = elementById('calls');
main.lang = DOCUMENT_LANGUAGE;

installHeader();
showWho();
provideCommands(() => [
  {
    id: 'docs-search',
    label: t('docs.search_command'),
    shape: 'search',
    shortcuts: ['/'],
    run: () => nav.querySelector('input')?.focus(),
  },
]);
try {
  const early = await takeEarlyAnswer(DOCUMENT_URL);
  const response = early?.response ?? (await fetch(DOCUMENT_URL));
  if (!response.ok) throw new Error(String(response.status));
  showDocument(await response.json());
} catch {
  showLoadError();
}

/** Show in the header who is signed in. The documentation itself is for everyone. */
async function showWho() {
  try {
    const who = await fetchWho();
    if (who) setWho(who);
  } catch {
    // The header then offers no navigation; its first link leads to the page that says what is wrong.
  }
}

function showLoadError() {
  fill(
    main,
    h('h1', { text: document.title }),
    h(
      'p',
      { role: 'alert', lang: LANGUAGE },
      tRich('docs.not_loaded', { link: (parts) => h('a', { href: DOCUMENT_URL }, parts) }),
    ),
  );
}

/** @param {OpenApiDocument} root */
function showDocument(root) {
  const calls = createCalls(root);
  const groups = root.tags
    .map((tag) =>
      createGroup(
        tag,
        calls.filter((call) => call.tag === tag.name),
      ),
    )
    .filter((group) => group.calls.length);
  const introduction = h(
    'div',
    { class: 'docs-about' },
    h('h1', { text: [root.info.title, 'API'].join(' ') }),
    markdownBlock(root.info.description),
    h(
      'p',
      { class: 'docs-links' },
      h('a', { href: DOCUMENT_URL, text: 'openapi.json' }),
      h('span', { lang: LANGUAGE, text: t('docs.version', { openapi: root.openapi, version: root.info.version }) }),
    ),
  );
  const noMatch = h('p', {
    class: 'docs-empty',
    hidden: true,
    lang: LANGUAGE,
    text: t('docs.no_match'),
  });
  const status = h('p', { class: 'visually-hidden', role: 'status' });
  const search = h('input', {
    class: 'input',
    type: 'search',
    placeholder: t('docs.search'),
    'aria-label': t('docs.search'),
    'aria-keyshortcuts': '/',
    autocomplete: 'off',
    on: { input: debounce(filterCalls, SEARCH_DELAY_MS) },
  });

  function filterCalls() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const call of calls) {
      call.card.hidden = !words.every((word) => call.searchText.includes(word));
      call.entry.hidden = call.card.hidden;
    }
    for (const group of groups) {
      const hasNoMatch = group.calls.every((call) => call.card.hidden);
      for (const part of group.parts) part.hidden = hasNoMatch;
    }
    const matches = calls.filter((call) => !call.card.hidden).length;
    noMatch.hidden = matches > 0;
    introduction.classList.toggle('docs-about-brief', words.length > 0);
    status.textContent = words.length ? t('docs.matches', { matches, count: calls.length }) : '';
  }

  fill(
    nav,
    h('label', { class: 'docs-search' }, icon('search'), search),
    groups.map((group) => group.entries),
    status,
  );
  fill(
    main,
    introduction,
    groups.map((group) => group.section),
    noMatch,
  );
  openLinkedCall(calls);
}

/**
 * @param {OpenApiDocument} root
 * @returns {Call[]}
 */
function createCalls(root) {
  const calls = [];
  for (const [path, item] of Object.entries(root.paths)) {
    for (const method of METHODS) {
      const operation = item[method];
      if (operation) {
        const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])];
        calls.push(createCall(root, method, path, { ...operation, parameters }));
      }
    }
  }
  return calls;
}

/**
 * @param {OpenApiDocument} root
 * @param {Method} method
 * @param {string} path
 * @param {Operation} operation
 * @returns {Call}
 */
function createCall(root, method, path, operation) {
  const { operationId: id, summary, description = '', parameters } = operation;
  const link = h('a', { href: `#${id}` }, createMethodBadge(method), h('span', { text: summary }));
  const texts = [method, path, summary, description, id, ...parameters.map(({ name }) => name)];
  return {
    tag: operation.tags[0],
    id,
    card: createOperationCard(root, method, path, operation),
    entry: h('li', {}, link),
    link,
    searchText: texts.join(' ').toLowerCase(),
  };
}

/**
 * @param {Tag} tag
 * @param {Call[]} calls
 * @returns {Group}
 */
function createGroup(tag, calls) {
  const section = h(
    'section',
    {},
    h('h2', { text: tag.name }),
    h('p', { class: 'muted', text: tag.description }),
    calls.map((call) => call.card),
  );
  const entries = [
    h('p', { class: 'docs-group', lang: DOCUMENT_LANGUAGE, text: tag.name }),
    h(
      'ul',
      { lang: DOCUMENT_LANGUAGE },
      calls.map((call) => call.entry),
    ),
  ];
  return { calls, section, entries, parts: [section, ...entries] };
}

/**
 * Open the call that the address names, now and whenever a link is followed.
 * @param {Call[]} calls
 */
function openLinkedCall(calls) {
  const open = () => {
    const linked = calls.find((call) => `#${call.id}` === location.hash);
    for (const call of calls) call.link.toggleAttribute('aria-current', call === linked);
    if (!linked) return;
    const { card } = linked;
    const show = () => {
      card.scrollIntoView();
      card.querySelector('summary')?.focus({ preventScroll: true });
    };
    if (card.open) {
      show();
    } else {
      // The card gets its body at its first `toggle`. Until then, the last card cannot be scrolled to the top.
      card.addEventListener('toggle', show, { once: true });
      card.open = true;
    }
  };
  addEventListener('hashchange', open);
  // A second click on the same link does not change the address.
  nav.addEventListener('click', (event) => closestTo(event, 'a') && setTimeout(open));
  open();
}
