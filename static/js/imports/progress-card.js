// One import, live: phase, bar, rows, speed, time left and counts.

import { progressAnnouncer } from '../core/announcer.js';
import { fill, h, setText } from '../core/dom.js';
import { formatClock, formatDuration, formatNumber, formatTimeLeft } from '../core/format.js';
import { progressBar } from '../core/widgets.js';
import { createCountTiles } from './count-tiles.js';
import { describeCounts, headline, jobCounts } from './descriptions.js';
import { describeRows, describeStatus, elapsedSeconds, isFinal, isRunning, nameOf } from './job.js';
import { createRateEstimator } from './rate-estimator.js';
import { createStatusPill } from './status-pill.js';
import { isChecking } from './steps.js';

const TICK_MS = 1_000;

/**
 * @param {object} job the first known state
 * @returns {{element: HTMLElement, problem: HTMLElement, actions: HTMLElement, show: (job: object) => void, stop: () =>
 *   void}}
 *   problem and actions are places for what a step adds
 */
export function createProgressCard(job) {
  const pill = createStatusPill({ testid: 'import-status' });
  const bar = progressBar({ label: `Import of ${job.filename}`, testid: 'import-progress' });
  const parts = {
    headline: h('h2', { class: 'import-headline', data: { testid: 'import-headline' } }),
    percent: h('span', { class: 'import-percent tabular', data: { testid: 'import-percent' } }),
    facts: h('dl', { class: 'facts' }),
  };
  const problem = h('div', { class: 'import-problem' });
  const actions = h('div', { class: 'import-actions' });
  const counts = createCountTiles();
  const say = progressAnnouncer();
  let rate = createRateEstimator();
  let latest = job;
  let arrivedAt = Date.now();
  const firstSeenAt = Date.now();

  const tick = () => {
    const now = Date.now();
    setText(parts.headline, headline(latest, now - firstSeenAt));
    showFacts(parts.facts, latest, rate, now - arrivedAt);
  };
  const show = (next) => {
    if (next.run !== latest.run) rate = createRateEstimator();
    latest = next;
    arrivedAt = Date.now();
    rate.add(next);
    pill.show(next);
    element.dataset.status = next.status;
    const percent = percentOf(next);
    bar.set(percent, `${percent}%, ${describeStatus(next).word}`);
    bar.tone(describeStatus(next).tone);
    setText(parts.percent, `${percent}%`);
    counts.show(jobCounts(next));
    // A check counts at its end.
    counts.element.hidden = isChecking(next);
    tick();
    speak(say, next);
  };
  const element = h(
    'article',
    { class: 'card import-card', 'aria-label': `Import of ${nameOf(job)}`, data: { testid: 'import-card' } },
    h('div', { class: 'import-head' }, pill.element, parts.headline, parts.percent),
    bar.element,
    problem,
    parts.facts,
    counts.element,
    actions,
  );
  show(job);
  const timer = setInterval(() => !isFinal(latest) && tick(), TICK_MS);
  return { element, problem, actions, show, stop: () => clearInterval(timer) };
}

// A check is the first half of an import, and a whole by itself.
const percentOf = (job) => (isChecking(job) ? Math.min(100, 2 * (job.progress ?? 0)) : (job.progress ?? 0));

function showFacts(list, job, rate, sinceArrivalMs) {
  const facts = [];
  const rows = describeRows(job);
  if (rows) facts.push(rows);
  const elapsed =
    job.duration_seconds !== null && job.duration_seconds !== undefined
      ? job.duration_seconds + (isRunning(job) ? sinceArrivalMs / 1000 : 0)
      : elapsedSeconds(job, isRunning(job) ? sinceArrivalMs : 0);
  const speed = isFinal(job) ? averageSpeed(job) : rate.rowsPerSecond();
  if (speed) facts.push([isFinal(job) ? 'Average speed' : 'Speed', `${formatNumber(speed)} rows/s`]);
  if (elapsed !== null) {
    facts.push(isFinal(job) ? ['Duration', formatDuration(elapsed)] : ['Elapsed', formatClock(elapsed)]);
  }
  if (job.status === 'processing' && !isChecking(job)) {
    const left = rate.secondsLeft();
    facts.push([
      'Time left',
      left === null ? 'estimating…' : formatTimeLeft(Math.max(0, left - sinceArrivalMs / 1000)),
    ]);
  }
  showPairs(list, facts);
}

// Elements are kept while the labels stay the same, so that a text can be selected while numbers change.
function showPairs(list, pairs) {
  const labels = pairs.map(([label]) => label).join('|');
  if (list.dataset.labels !== labels) {
    list.dataset.labels = labels;
    fill(
      list,
      pairs.map(([label]) => h('div', {}, h('dt', { text: label }), h('dd', { class: 'tabular' }))),
    );
  }
  [...list.querySelectorAll('dd')].forEach((element, index) => setText(element, pairs[index][1]));
}

// Of an import that took no time an average means nothing.
const averageSpeed = (job) => (job.duration_seconds >= 0.5 ? job.rows_per_second : 0);

function speak(say, job) {
  const percent = percentOf(job);
  if (job.status === 'completed') say(100, `${headline(job)}. ${describeCounts(jobCounts(job))}`, true);
  else if (isFinal(job) || job.status === 'awaiting_confirmation') {
    say(percent, `${headline(job)}. ${job.error_message ?? ''}`, true);
  } else say(percent, `${describeStatus(job).word}: ${percent} percent`);
}
