// The details of a job: its file or its change, origin, options and duration, and the log of what happened.

import { h } from '../core/dom.js';
import { formatBytes, formatDuration, formatTime, formatTimeOfDay, parseTime } from '../core/format.js';
import { t } from '../core/i18n.js';
import { messageContent } from '../core/message-text.js';
import { may } from '../core/session.js';
import { describeOrigin } from './descriptions.js';
import { describeSelection, describeValue } from './bulk-texts.js';
import { elapsedSeconds, isBulk, isImport, isUndo, titleOf } from './job.js';
import { describeFormat, describeOptions } from './options.js';
import { logText } from './server-texts.js';
import { importAddress } from './steps.js';

/** @import { Child } from '../core/dom.js' */
/** @import { ImportDetail, LogEntry } from '../core/types.d.ts' */

/** Events that are shown with the time since the entry before them. */
const TIMED_EVENTS = ['read', 'compared', 'completed'];
const SHORTEST_SHOWN_SECONDS = 0.5;

/**
 * Create the card.
 * @param {ImportDetail} job
 * @returns {HTMLElement}
 */
export function createDetailsCard(job) {
  return h(
    'section',
    { class: 'card details-card', 'aria-labelledby': 'details-title', data: { testid: 'import-facts' } },
    h('h2', { id: 'details-title', text: t('imports.details.title') }),
    h(
      'dl',
      { class: 'fact-list' },
      detailsOf(job).map(([name, value]) => [h('dt', { text: name }), h('dd', {}, value)]),
    ),
    job.log.length ? [h('h3', { text: t('imports.details.log') }), logList(job.log)] : null,
    may('admin')
      ? h(
          'p',
          {},
          h('a', {
            href: `#/activity?${new URLSearchParams({ target: `import:${job.task_id}` })}`,
            text: t('imports.details.activity', { kind: job.kind }),
            data: { testid: 'import-activity' },
          }),
        )
      : null,
  );
}

/**
 * @param {ImportDetail} job
 * @returns {[name: string, value: Child][]}
 */
function detailsOf(job) {
  const seconds = job.duration_seconds ?? elapsedSeconds(job);
  /** @type {[name: string, value: Child][]} */
  const details = [
    ...sourceOf(job),
    [t('imports.details.head.started_from'), describeOrigin(job)],
    [
      isImport(job) ? t('imports.details.head.uploaded') : t('imports.details.head.started'),
      formatTime(job.created_at),
    ],
  ];
  if (isImport(job)) details.push([t('imports.details.head.options'), describeOptions(job.options)]);
  if (job.file) details.push([t('imports.details.head.read_as'), describeFormat(job.file).join(' · ')]);
  if (seconds !== null) details.push([t('imports.details.head.processing_time'), formatDuration(seconds)]);
  if (job.rows_per_second && !isBulk(job)) {
    details.push([
      t('imports.details.head.speed'),
      t('imports.details.rate', { rate: job.rows_per_second, isUndo: isUndo(job) }),
    ]);
  }
  if (job.run > 1) {
    details.push([t('imports.details.head.attempts'), t('imports.details.attempts', { count: job.run })]);
  }
  return details;
}

/**
 * @param {ImportDetail} job
 * @returns {[name: string, value: Child][]}
 */
function sourceOf(job) {
  if (job.undo_of) {
    const link = h('a', { href: importAddress(job.undo_of), text: titleOf(job) });
    return [[isBulk(job) ? t('imports.details.head.bulk') : t('imports.details.head.import'), link]];
  }
  if (!isBulk(job)) {
    const { filename: name, file_size: bytes } = job;
    const file = bytes ? t('imports.details.file', { name, size: formatBytes(bytes) }) : name;
    return [[t('imports.details.head.file'), file]];
  }
  /** @type {[name: string, value: Child][]} */
  const source = [
    [t('imports.details.head.bulk'), titleOf(job)],
    [t('imports.details.head.products'), describeSelection(job.bulk)],
  ];
  const { action, field } = job.bulk;
  if (action === 'set' && field) {
    source.push([t('imports.details.head.new_value', { field }), describeValue(job.bulk)]);
  }
  return source;
}

/** @param {LogEntry[]} log oldest first */
function logList(log) {
  return h(
    'ol',
    { class: 'log', data: { testid: 'import-log' } },
    log.map((entry, index) =>
      h(
        'li',
        {},
        h('time', {
          class: 'muted tabular',
          title: formatTime(entry.at),
          text: isSameDay(log[index - 1], entry) ? formatTimeOfDay(entry.at) : formatTime(entry.at),
        }),
        h('span', {}, messageContent(logText(entry)), durationText(log[index - 1], entry)),
      ),
    ),
  );
}

/**
 * @param {LogEntry | undefined} previous
 * @param {LogEntry} entry
 */
const isSameDay = (previous, entry) =>
  previous !== undefined && new Date(previous.at).toDateString() === new Date(entry.at).toDateString();

/**
 * @param {LogEntry | undefined} previous
 * @param {LogEntry} entry
 * @returns {HTMLElement | null} null if the duration is too short, or does not mean anything for this event
 */
function durationText(previous, entry) {
  const seconds = previous ? (parseTime(entry.at) - parseTime(previous.at)) / 1000 : 0;
  return seconds >= SHORTEST_SHOWN_SECONDS && TIMED_EVENTS.includes(entry.event)
    ? h('span', { class: 'muted tabular', text: ` +${formatDuration(seconds)}` })
    : null;
}
