// The audit log: #/activity?target=product:12. Administrators see who did what, and what it was before and after.

import { NetworkError, getJson, messageOf, nextStep } from '../core/api.js';
import { buildBanner } from '../core/banner.js';
import { debounce, fill, h, setText } from '../core/dom.js';
import { formatTime } from '../core/format.js';
import { t } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { queryString } from '../core/query-string.js';
import { setQuery } from '../core/router.js';
import { emptyState, timeElement } from '../core/widgets.js';
import { listChanges } from './activity-changes.js';
import {
  ACTIONS,
  ACTOR_TYPES,
  FILTERS,
  auditParameters,
  describeAction,
  describeTarget,
  targetFilter,
} from './activity-text.js';
import { loadingRows, tableCard } from './cards.js';

/** @import { Screen } from '../core/router.js' */
/** @import { AuditEntry, AuditPage, User } from '../core/types.d.ts' */
/** @import { ActivityFilter } from './activity-text.js' */

const PATH = '/api/audit';
const TYPING_MS = 300;
/** @type {[text: string, className?: string][]} */
const HEADS = [
  [t('access.activity_head.when')],
  [t('access.activity_head.who')],
  [t('access.activity_head.what')],
  [t('access.activity_head.before_and_after')],
  [t('access.address'), 'wide'],
];
/** @type {Record<ActivityFilter, string>} */
const LABELS = {
  actor: t('access.activity_head.who'),
  action: t('access.activity_head.what'),
  target: t('access.activity_head.object'),
  since: t('access.activity_head.from'),
  until: t('access.activity_head.until'),
};

/** @type {Screen} */
export const activityScreen = {
  mount(root, { query: firstQuery }) {
    document.title = t('common.page_title', { name: t('access.activity') });
    const filters = filterBar();
    const body = h('tbody');
    const table = tableCard(t('access.activity_list.table'), 'table-activity', HEADS, body);
    const card = h('div', { class: 'card table-card', data: { testid: 'activity' } }, loadingRows());
    const more = h('button', {
      class: 'button',
      type: 'button',
      text: t('access.activity_list.earlier'),
      hidden: true,
      data: { testid: 'activity-more' },
      on: { click: () => load(next) },
    });
    const download = h(
      'a',
      { class: 'button', download: true, data: { testid: 'activity-export' } },
      icon('download'),
      t('access.activity_list.export'),
    );
    root.append(
      h(
        'div',
        { class: 'screen' },
        h(
          'div',
          { class: 'screen-head access-head' },
          h('h1', { text: t('access.activity') }),
          h('span', { class: 'spacer' }),
          download,
        ),
        filters.element,
        card,
        h('p', { class: 'activity-more' }, more),
      ),
    );
    let query = firstQuery;
    let next = '';
    /** @type {AbortController | null} */
    let request = null;

    /** @param {string} [after] the cursor of the entries to add; without it, the list starts again */
    async function load(after = '') {
      request?.abort();
      request = new AbortController();
      const { signal } = request;
      const parameters = auditParameters(query);
      download.href = `${PATH}/export${queryString(parameters)}`;
      try {
        /** @type {AuditPage} */
        const answer = await getJson(PATH, { query: { ...parameters, after }, signal });
        show(answer.entries, Boolean(after));
        next = answer.pagination.next ?? '';
        more.hidden = !next;
      } catch (error) {
        if (signal.aborted || error instanceof NetworkError) return;
        more.hidden = true;
        fill(
          card,
          buildBanner({
            title: messageOf(error),
            detail: nextStep(error),
            action: { label: t('common.try_again'), run: () => load() },
          }),
        );
      }
    }
    /**
     * @param {AuditEntry[]} entries
     * @param {boolean} isMore
     */
    function show(entries, isMore) {
      if (!isMore) fill(body);
      body.append(...entries.map(entryRow));
      if (!body.children.length) {
        fill(
          card,
          emptyState({
            shape: 'list',
            title: t('access.activity_list.nothing'),
            detail: FILTERS.some((name) => query.get(name))
              ? t('access.activity_list.no_match')
              : t('access.activity_list.empty'),
          }),
        );
      } else if (!table.isConnected) fill(card, table);
    }
    filters.show(query);
    load();
    // Without the list, the filter has the names of the address only.
    getJson('/api/users').then(filters.showPeople, () => {});
    return {
      update(location) {
        query = location.query;
        filters.show(query);
        load();
      },
      unmount() {
        request?.abort();
        filters.stop();
      },
    };
  },
};

function filterBar() {
  const apply = debounce(() => setQuery(values(), { replace: true }), TYPING_MS);
  const controls = {
    actor: choice('actor', t('access.activity_list.everyone'), Object.entries(ACTOR_TYPES)),
    action: choice('action', t('access.activity_list.everything'), Object.entries(ACTIONS)),
    target: h('input', {
      class: 'input',
      type: 'search',
      placeholder: 'product:12',
      autocomplete: 'off',
      spellcheck: 'false',
    }),
    since: h('input', { class: 'input', type: 'date' }),
    until: h('input', { class: 'input', type: 'date' }),
  };
  for (const name of FILTERS) {
    controls[name].dataset.testid = `activity-${name}`;
    controls[name].addEventListener('input', apply);
  }
  const values = () => Object.fromEntries(FILTERS.map((name) => [name, controls[name].value.trim()]));
  /** @param {URLSearchParams} query */
  const show = (query) => {
    for (const name of FILTERS) {
      const control = controls[name];
      const value = query.get(name) ?? '';
      // An address can have a value that is not among the choices.
      if (control instanceof HTMLSelectElement && ![...control.options].some((option) => option.value === value)) {
        control.append(h('option', { value, text: name === 'action' ? describeAction(value) : value }));
      }
      // The text that somebody types is newer than the address.
      if (document.activeElement !== control || control instanceof HTMLSelectElement) control.value = value;
    }
  };
  /** @param {User[]} users */
  const showPeople = (users) => {
    const { value } = controls.actor;
    for (const { id, name } of users) {
      const known = [...controls.actor.options].find((option) => option.value === `user:${id}`);
      if (known) setText(known, name);
      else controls.actor.append(h('option', { value: `user:${id}`, text: name }));
    }
    controls.actor.value = value;
  };
  const element = h(
    'div',
    { class: 'activity-filters', role: 'search', 'aria-label': t('access.activity_list.filters') },
    FILTERS.map((name) => h('label', { class: 'filter-field' }, h('span', { text: LABELS[name] }), controls[name])),
  );
  return { element, show, showPeople, stop: apply.cancel };
}

/**
 * @param {string} name
 * @param {string} all label of no filter
 * @param {[value: string, label: string | undefined][]} options
 */
const choice = (name, all, options) =>
  h(
    'select',
    { class: 'input', name },
    h('option', { value: '', text: all }),
    options.map(([value, label]) => h('option', { value, text: label })),
  );

/** @param {AuditEntry} entry */
function entryRow(entry) {
  const { actor, target, changes, outcome } = entry;
  const text = describeTarget(target);
  const isBad = outcome !== 'success';
  const time = timeElement(entry.at);
  setText(time, formatTime(entry.at));
  return h(
    'tr',
    { data: { testid: 'activity-entry' } },
    h('td', { class: 'tabular cell-when' }, time),
    h(
      'td',
      { class: 'cell-who' },
      h('span', { dir: 'auto', text: actor.name || actor.type }),
      actor.type === 'key' ? h('span', { class: 'muted', text: ` (${t('access.activity_list.key')})` }) : null,
    ),
    h(
      'td',
      { class: 'cell-what' },
      h('span', {
        class: isBad ? 'cell-strong tone-danger' : 'cell-strong',
        title: `${entry.action}, ${outcome}`,
        text: describeAction(entry.action, outcome, changes),
      }),
      target && text
        ? h(
            'span',
            { class: 'cell-below' },
            h('a', {
              class: 'quiet-link',
              dir: 'auto',
              href: `#/activity?${new URLSearchParams({ target: targetFilter(target) })}`,
              title: t('access.activity_list.all_about'),
              text,
            }),
          )
        : null,
    ),
    h('td', { class: 'cell-changes' }, changeList(changes)),
    h('td', {
      class: 'wide tabular muted',
      title: entry.request_id ? t('access.activity_list.request', { id: entry.request_id }) : null,
      text: entry.address ?? '',
    }),
  );
}

/** @param {AuditEntry['changes']} changes */
function changeList(changes) {
  const listed = listChanges(changes);
  if (!listed.length) return null;
  return h(
    'ul',
    { class: 'change-list' },
    listed.map(({ field, before, after, title = null }) =>
      h(
        'li',
        { title },
        h('span', { class: 'muted', text: `${field}: ` }),
        before ? h('del', { dir: 'auto', text: before }) : null,
        before && after ? h('span', { text: ' → ' }) : null,
        after ? h('ins', { dir: 'auto', text: after }) : null,
      ),
    ),
  );
}
