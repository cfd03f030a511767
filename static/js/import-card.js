// One import, live: phase, bar, rows, speed, time left and counts.

import { progressAnnouncer } from './announce.js';
import { buildBanner } from './banner.js';
import { pickFiles } from './dropzone.js';
import { fill, h, setText } from './dom.js';
import { formatBytes, formatClock, formatCount, formatDuration, formatNumber, formatTimeLeft } from './format.js';
import { describeRows, describeStatus, elapsedSeconds, isFinal, isRunning } from './job.js';
import { createRate } from './rate.js';
import { progressBar, statusPill, timeElement } from './widgets.js';

const WAITING_HINT_MS = 5_000;
const TICK_MS = 1_000;

const PHASE_HEADLINES = {
  reading: 'Step 1 of 2: reading the file', writing: 'Step 2 of 2: writing products', finished: 'Finishing',
};

const COUNTS = [
  ['created', 'Created'], ['updated', 'Updated'], ['unchanged', 'Unchanged'], ['duplicate', 'Duplicates'], ['rejected', 'Rejected'],
];

/**
 * @param {object} job the first known state
 * @returns {{element: HTMLElement, show: (job: object) => void, stop: () => void}}
 */
export function importCard(job) {
  const pill = statusPill({ testid: 'import-status' });
  const bar = progressBar({ label: `Import of ${job.filename}`, testid: 'import-progress' });
  const parts = {
    headline: h('h2', { class: 'import-headline' }),
    percent: h('span', { class: 'import-percent tabular', data: { testid: 'import-percent' } }),
    facts: h('dl', { class: 'facts' }),
    meta: h('p', { class: 'import-meta muted' }),
    problem: h('div', { class: 'import-problem' }),
    actions: h('div', { class: 'import-actions' }),
  };
  const counts = countTiles();
  const rate = createRate();
  const say = progressAnnouncer();
  let latest = job;
  let arrivedAt = Date.now();
  const firstSeenAt = Date.now();

  const tick = () => {
    const now = Date.now();
    setText(parts.headline, headline(latest, now - firstSeenAt));
    showFacts(parts.facts, latest, rate, now - arrivedAt);
  };
  const show = (next) => {
    latest = next;
    arrivedAt = Date.now();
    rate.add(next);
    pill.show(next);
    element.dataset.status = next.status;
    const percent = next.progress ?? 0;
    bar.set(percent, `${percent}%, ${describeStatus(next).word}`);
    bar.tone(describeStatus(next).tone);
    setText(parts.percent, `${percent}%`);
    counts.show(next);
    showMeta(parts.meta, next);
    showActions(parts, next);
    tick();
    speak(say, next);
  };
  const element = h('article', { class: 'card import-card', 'aria-label': `Import of ${job.filename}`, data: { testid: 'import-card' } },
    h('div', { class: 'import-head' }, pill.element, parts.headline, parts.percent),
    bar.element,
    parts.problem,
    parts.facts,
    counts.element,
    parts.actions,
    parts.meta);
  show(job);
  const timer = setInterval(() => !isFinal(latest) && tick(), TICK_MS);
  return { element, show, stop: () => clearInterval(timer) };
}

function headline(job, watchedMs) {
  switch (job.status) {
    case 'pending': return watchedMs > WAITING_HINT_MS ? 'Waiting for a worker… It starts by itself.' : 'Queued';
    case 'processing': return PHASE_HEADLINES[job.phase] ?? 'Starting';
    case 'awaiting_confirmation': return 'Waiting to be confirmed. Nothing has been written yet.';
    case 'completed': return completedSentence(job);
    case 'failed': return 'The import did not finish';
    case 'cancelled': return 'The import was cancelled';
    default: return '';
  }
}

function completedSentence(job) {
  const seconds = elapsedSeconds(job);
  const took = seconds === null ? '' : ` in ${formatDuration(seconds)}`;
  const total = formatCount(job.total_records, 'row');
  const taken = job.rejected_count ? `${formatNumber(job.total_records - job.rejected_count)} of ${total}` : total;
  return `${taken} imported${took}`;
}

function showFacts(list, job, rate, sinceArrivalMs) {
  const facts = [];
  const rows = describeRows(job);
  if (rows) facts.push(rows);
  const elapsed = elapsedSeconds(job, isRunning(job) ? sinceArrivalMs : 0);
  const speed = isFinal(job) ? averageSpeed(job, elapsed) : rate.rowsPerSecond();
  if (speed) facts.push([isFinal(job) ? 'Average speed' : 'Speed', `${formatNumber(speed)} rows/s`]);
  if (elapsed !== null) facts.push(isFinal(job) ? ['Duration', formatDuration(elapsed)] : ['Elapsed', formatClock(elapsed)]);
  if (job.status === 'processing') {
    const left = rate.secondsLeft();
    facts.push(['Time left', left === null ? 'estimating…' : formatTimeLeft(Math.max(0, left - sinceArrivalMs / 1000))]);
  }
  showPairs(list, facts);
}

// Elements are kept while the labels stay the same, so that a text can be selected while numbers change.
function showPairs(list, pairs) {
  const labels = pairs.map(([label]) => label).join('|');
  if (list.dataset.labels !== labels) {
    list.dataset.labels = labels;
    fill(list, pairs.map(([label]) => h('div', {}, h('dt', { text: label }), h('dd', { class: 'tabular' }))));
  }
  [...list.querySelectorAll('dd')].forEach((element, index) => setText(element, pairs[index][1]));
}

function averageSpeed(job, seconds) {
  return job.status === 'completed' && seconds >= 0.5 ? job.total_records / seconds : 0;
}

function countTiles() {
  const values = new Map(COUNTS.map(([name]) => [name, h('dd', { class: 'tabular', data: { testid: `count-${name}` } })]));
  const element = h('dl', { class: 'counts' },
    COUNTS.map(([name, label]) => h('div', { class: 'count', data: { count: name } }, h('dt', { text: label }), values.get(name))));
  const show = (job) => {
    for (const [name, value] of values) {
      const count = job[`${name}_count`] ?? 0;
      setText(value, formatNumber(count));
      value.parentElement.classList.toggle('is-zero', count === 0);
    }
  };
  return { element, show };
}

function showMeta(element, job) {
  const size = job.file_size ? `${formatBytes(job.file_size)} · ` : '';
  const key = `${size}${job.created_at}`;
  if (element.dataset.key === key) return;
  element.dataset.key = key;
  fill(element, `${size}Uploaded `, timeElement(job.created_at));
}

function showActions({ actions, problem }, job) {
  if (actions.dataset.status === job.status) return;
  actions.dataset.status = job.status;
  fill(problem, job.status === 'failed' ? failure(job) : null);
  const another = (text, primary) => h('button', {
    class: `button ${primary ? 'button-primary' : ''}`, type: 'button', text, on: { click: pickFiles },
  });
  const products = (primary) => h('a', { class: `button ${primary ? 'button-primary' : ''}`, href: '#/products', text: 'See the products' });
  if (!isFinal(job)) fill(actions);
  else if (job.status === 'completed') fill(actions, products(true), another('Import another file', false));
  else fill(actions, another('Choose another file', true), products(false));
}

function failure(job) {
  const written = (job.created_count ?? 0) + (job.updated_count ?? 0);
  const kept = written
    ? `What was written until then stays: ${formatCount(written, 'product')}. Importing the file again is safe: what is in already is left as it is.`
    : 'Nothing was written. Correct the file and import it again, or choose another one.';
  return buildBanner({ title: job.error_message || 'The import failed for an unknown reason.', detail: kept });
}

function speak(say, job) {
  const percent = job.progress ?? 0;
  if (job.status === 'completed') say(100, `${completedSentence(job)}. ${countsSentence(job)}`, true);
  else if (isFinal(job)) say(percent, `${headline(job, 0)}. ${job.error_message ?? ''}`, true);
  else say(percent, `${describeStatus(job).word}: ${percent} percent`);
}

function countsSentence(job) {
  return COUNTS.map(([name, label]) => `${formatNumber(job[`${name}_count`] ?? 0)} ${label.toLowerCase()}`).join(', ');
}
