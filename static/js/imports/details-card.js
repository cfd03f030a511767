// The details of a job: its file or its change, origin, options and duration, and the log of what happened.

import { h } from '../core/dom.js';
import { formatBytes, formatDuration, formatNumber, formatTime, formatTimeOfDay, parseTime } from '../core/format.js';
import { messageContent } from '../core/message-text.js';
import { may } from '../core/session.js';
import { describeOrigin } from './descriptions.js';
import { describeSelection, describeValue } from './bulk-texts.js';
import { elapsedSeconds, isBulk, isImport, nounOf } from './job.js';
import { describeFormat, describeOptions } from './options.js';
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
    h('h2', { id: 'details-title', text: 'Details' }),
    h(
      'dl',
      { class: 'fact-list' },
      detailsOf(job).map(([name, value]) => [h('dt', { text: name }), h('dd', {}, value)]),
    ),
    job.log.length ? [h('h3', { text: 'What happened' }), logList(job.log)] : null,
    may('admin')
      ? h(
          'p',
          {},
          h('a', {
            href: `#/activity?${new URLSearchParams({ target: `import:${job.task_id}` })}`,
            text: `Who did what with this ${nounOf(job)}`,
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
    ['Started from', describeOrigin(job) || '–'],
    [isImport(job) ? 'Uploaded' : 'Started', formatTime(job.created_at)],
  ];
  if (isImport(job)) details.push(['Options', describeOptions(job.options)]);
  if (job.file) details.push(['Read as', describeFormat(job.file).join(' · ')]);
  if (seconds !== null) details.push(['Processing time', formatDuration(seconds)]);
  if (job.rows_per_second && !isBulk(job)) details.push(['Speed', `${formatNumber(job.rows_per_second)} rows/s`]);
  if (job.run > 1) details.push(['Attempts', `${formatNumber(job.run)}, the last one is shown`]);
  return details;
}

/**
 * @param {ImportDetail} job
 * @returns {[name: string, value: Child][]}
 */
function sourceOf(job) {
  if (job.undo_of) {
    const link = h('a', { href: importAddress(job.undo_of), text: job.filename });
    return [[isBulk(job) ? 'Bulk change' : 'Import', link]];
  }
  if (!isBulk(job)) return [['File', job.filename + (job.file_size ? ` (${formatBytes(job.file_size)})` : '')]];
  /** @type {[name: string, value: Child][]} */
  const source = [
    ['Bulk change', job.filename],
    ['Products', describeSelection(job.bulk)],
  ];
  if (job.bulk.action === 'set') source.push([`New ${job.bulk.field}`, describeValue(job.bulk)]);
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
        h('span', {}, messageContent(entry.message), durationText(log[index - 1], entry)),
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
