// What was noticed in the file of an import: each notice with its lines, samples and the buttons that settle it.

import { h } from '../core/dom.js';
import { formatOr } from '../core/format.js';
import { t, tRich } from '../core/i18n.js';
import { icon } from '../core/icons.js';
import { messageContent } from '../core/message-text.js';
import { hiddenText } from '../core/widgets.js';
import { createActionButton } from './action-buttons.js';
import {
  canChangeOptions,
  candidatesOf,
  describeLines,
  describeSample,
  fixesOf,
  listOf,
  needsCount,
  noticesTitle,
  retryOptionsOf,
} from './notice-content.js';
import { fixText, noticeText, sampleText } from './notice-texts.js';
import { encodingName, isSameEncoding } from './options.js';

/** @import { Child } from '../core/dom.js' */
/** @import { ImportDetail, Notice, NoticeFix, NoticeSample, RetryOptions } from '../core/types.d.ts' */
/** @import { OpenLists } from './count-tiles.js' */
/** @import { StepContext } from './job-actions.js' */

/** How many lines a closed notice lists. */
const FEW_LINES = 3;
const ALL_LINES = 20;

/** @typedef {(options: Record<string, unknown>, button: HTMLButtonElement) => unknown} Retry */

/**
 * Create the card.
 * @param {ImportDetail} job
 * @param {StepContext | null} context null if the import cannot be read again from here
 * @param {() => RetryOptions} [pendingChanges] returns what was changed on the page and not sent yet
 * @param {OpenLists} [lists] opens the lists of the counts
 * @returns {HTMLElement | null} null if there are no notices
 */
export function createNoticesCard(job, context, pendingChanges = () => ({}), lists = {}) {
  const { notices } = job;
  if (!notices.length) return null;
  /** @type {Retry | null} */
  const retry =
    context && canChangeOptions(job)
      ? (options, button) =>
          context.runAction('retry', {
            button,
            busy: t('imports.check.reading_again'),
            body: retryOptionsOf(job, options, pendingChanges()),
          })
      : null;
  return h(
    'section',
    { class: 'card notices', 'aria-labelledby': 'notices-title', data: { testid: 'notices' } },
    h('div', { class: 'card-head-table' }, h('h2', { id: 'notices-title', text: noticesTitle(notices) })),
    h(
      'ul',
      { class: 'notice-list' },
      notices.map((notice) => noticeItem(notice, job, retry, lists)),
    ),
  );
}

/**
 * @param {Notice} notice
 * @param {ImportDetail} job
 * @param {Retry | null} retry
 * @param {OpenLists} lists
 */
function noticeItem(notice, job, retry, lists) {
  const fixes = fixesOf(notice);
  const sentence = noticeText(notice);
  return h(
    'li',
    { class: 'notice', data: { testid: 'notice', code: notice.code } },
    icon('alert', 'notice-icon'),
    h(
      'div',
      { class: 'notice-text' },
      h(
        'p',
        { class: 'notice-message' },
        messageContent(sentence),
        needsCount(notice, sentence)
          ? h(
              'span',
              { class: 'pill notice-count', data: { testid: 'notice-count' } },
              tRich('imports.check.notice_count', {
                count: notice.count,
                times: (parts) => h('span', { 'aria-hidden': 'true' }, parts),
                hidden: hiddenText,
              }),
            )
          : null,
      ),
      !retry && fixes.length && job.status === 'completed' ? laterHint(fixes) : null,
      noticeDetails(notice, job, retry),
      listLink(notice, lists),
    ),
    retry && fixes.length
      ? h(
          'div',
          { class: 'notice-fixes' },
          fixes.map((fix) =>
            createActionButton(fixText(fix), 'notice-fix', (button) => retry(fix.options, button), 'button-small'),
          ),
        )
      : null,
  );
}

/**
 * Create the button that opens the list of what a notice is about.
 * @param {Notice} notice
 * @param {OpenLists} lists
 * @returns {HTMLElement | null} null if there is no list
 */
function listLink({ code }, lists) {
  const list = listOf(code);
  const open = list && list.counts.map((name) => lists[name]).find(Boolean);
  return list && open
    ? h('button', {
        class: 'link-button notice-list-link',
        type: 'button',
        text: list.label,
        data: { testid: 'notice-list' },
        on: { click: open },
      })
    : null;
}

/**
 * Explain how to use fixes of an import that was written already.
 * @param {NoticeFix[]} fixes
 */
function laterHint(fixes) {
  const labels = formatOr(fixes.map((fix) => t('imports.option.quoted', { name: fixText(fix) })));
  return h('p', { class: 'muted', text: t('imports.check.notice_later', { labels }) });
}

/**
 * @param {Notice} notice
 * @param {ImportDetail} job
 * @param {Retry | null} retry
 * @returns {HTMLElement | null} null if the notice has neither lines nor samples
 */
function noticeDetails(notice, job, retry) {
  const { samples, lines } = notice;
  const few = describeLines(notice, FEW_LINES);
  if (!samples.length && lines.length <= FEW_LINES) return few ? h('p', { class: 'muted', text: few }) : null;
  const current = job.file?.encoding ?? '';
  const candidates = candidatesOf(samples).sort(
    (one, other) => Number(isSameEncoding(other, current)) - Number(isSameEncoding(one, current)),
  );
  const texts = samples.filter(({ text, readings }) => text && !readings);
  return h(
    'details',
    { class: 'notice-details', open: candidates.length > 0 },
    h('summary', {}, icon('next', 'panel-marker'), few || t('imports.check.examples')),
    h(
      'div',
      { class: 'notice-samples' },
      lines.length > FEW_LINES ? h('p', { class: 'muted', text: describeLines(notice, ALL_LINES) }) : null,
      texts.length
        ? h(
            'ul',
            { class: 'sample-list' },
            texts.map((sample) => sampleItem(notice.code, sample)),
          )
        : null,
      candidates.length ? readingsTable(samples, candidates, job, retry) : null,
    ),
  );
}

/**
 * @param {string} code of the notice
 * @param {NoticeSample} sample
 */
function sampleItem(code, sample) {
  const facts = describeSample(sample);
  return h(
    'li',
    {},
    h('code', { dir: 'auto', text: sampleText(code, sample) }),
    facts ? h('span', { class: 'muted', text: facts }) : null,
  );
}

/**
 * Create the table of texts, each decoded in every candidate. A click chooses a candidate.
 * @param {NoticeSample[]} samples
 * @param {string[]} candidates encodings
 * @param {ImportDetail} job
 * @param {Retry | null} retry
 */
function readingsTable(samples, candidates, job, retry) {
  const current = job.file?.encoding ?? '';
  /** @param {string} encoding */
  const head = (encoding) => {
    const isCurrent = isSameEncoding(encoding, current);
    /** @type {Child} */
    let choice = null;
    if (isCurrent) choice = h('span', { class: 'pill', text: t('imports.check.encoding_used') });
    else if (retry) {
      const button = createActionButton(
        t('imports.check.encoding_use'),
        'use-encoding',
        (pressed) => retry({ encoding }, pressed),
        'button-small',
      );
      button.setAttribute('aria-label', t('imports.check.encoding_use_label', { encoding: encodingName(encoding) }));
      choice = button;
    }
    return h('th', { scope: 'col' }, h('span', { text: encodingName(encoding) }), choice);
  };
  return h(
    'div',
    { class: 'table-scroll readings', tabindex: '0', role: 'region', 'aria-label': t('imports.check.encodings_label') },
    h(
      'table',
      { class: 'table', data: { testid: 'readings-table' } },
      h('thead', {}, h('tr', {}, candidates.map(head))),
      h(
        'tbody',
        {},
        samples
          .filter(({ readings }) => readings)
          .map(({ readings }) =>
            h(
              'tr',
              {},
              candidates.map((encoding) => h('td', { dir: 'auto', text: readings?.[encoding] ?? '–' })),
            ),
          ),
      ),
    ),
  );
}
