// What there is to know about an import afterwards: who, from where, what, how long; and what happened when.

import { h } from '../core/dom.js';
import { formatBytes, formatDuration, formatNumber, formatTime, formatTimeOfDay, parseTime } from '../core/format.js';
import { elapsedSeconds, isUndo } from './job.js';
import { delimiterName, describeOptions, describeQuoting, encodingName, packingName } from './options.js';
import { importAddress } from './steps.js';

/** @param {object} job @returns {string} such as "the page · 127.0.0.1" */
export function describeOrigin(job) {
  const from = { page: 'The page', api: 'The API' }[job.started_from];
  return [from, job.started_by].filter(Boolean).join(' · ');
}

/** @param {object} job with options, file and log @returns {HTMLElement} */
export function createDetailsCard(job) {
  return h(
    'section',
    { class: 'card details-card', 'aria-labelledby': 'facts-title', data: { testid: 'import-facts' } },
    h('h2', { id: 'facts-title', text: 'Details' }),
    h(
      'dl',
      { class: 'fact-list' },
      factsOf(job).map(([name, value]) => [h('dt', { text: name }), h('dd', {}, value)]),
    ),
    job.log?.length ? [h('h3', { text: 'What happened' }), logList(job.log)] : null,
  );
}

function factsOf(job) {
  const seconds = job.duration_seconds ?? elapsedSeconds(job);
  const { file } = job;
  const size = job.file_size ? ` (${formatBytes(job.file_size)})` : '';
  const facts = [
    isUndo(job)
      ? ['Import', h('a', { href: importAddress(job.undo_of), text: job.filename })]
      : ['File', job.filename + size],
    ['Started from', describeOrigin(job) || '–'],
    ['Uploaded', formatTime(job.created_at)],
  ];
  if (isUndo(job)) facts[2][0] = 'Started';
  else facts.push(['Options', describeOptions(job.options)]);
  if (file) {
    facts.push([
      'Read as',
      [
        encodingName(file.encoding),
        delimiterName(file.delimiter).toLowerCase(),
        describeQuoting(file),
        file.packing === 'none' ? null : packingName(file.packing),
      ]
        .filter(Boolean)
        .join(' · '),
    ]);
  }
  if (seconds !== null) facts.push(['Worked on for', formatDuration(seconds)]);
  if (job.rows_per_second) facts.push(['Speed', `${formatNumber(job.rows_per_second)} rows/s`]);
  if (job.run > 1) facts.push(['Attempts', `${formatNumber(job.run)}, the last one is shown`]);
  return facts;
}

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
        h('span', {}, entry.message, afterText(log[index - 1], entry)),
      ),
    ),
  );
}

const isSameDay = (before, entry) =>
  before !== undefined && new Date(before.at).toDateString() === new Date(entry.at).toDateString();

/** How long it took since what happened before it, where that says something. */
function afterText(before, entry) {
  const seconds = before ? (parseTime(entry.at) - parseTime(before.at)) / 1000 : 0;
  return seconds >= 0.5 && ['read', 'compared', 'completed'].includes(entry.event)
    ? h('span', { class: 'muted tabular', text: ` +${formatDuration(seconds)}` })
    : null;
}
