// The progress of one job: phase, bar, rows, speed, time left and counts.

import { progressAnnouncer } from '../core/announcer.js';
import { isReachable } from '../core/connection.js';
import { fill, h, setText } from '../core/dom.js';
import { formatClock, formatDuration, formatShare, formatTimeLeft } from '../core/format.js';
import { t } from '../core/i18n.js';
import { pageNow } from '../core/server-clock.js';
import { progressBar } from '../core/widgets.js';
import { createCountTiles } from './count-tiles.js';
import { describeCounts, jobCounts } from './counts.js';
import { jobHeadline } from './descriptions.js';
import {
  describeRows,
  describeStatus,
  failureOf,
  isAllRejected,
  isBulk,
  isFinal,
  isImport,
  isRunning,
  isUndo,
  nameOf,
} from './job.js';
import { createProgressCounter } from './progress-counter.js';
import { createStatusPill } from './status-pill.js';
import { isChecking } from './steps.js';

/** @import { ImportDetail } from '../core/types.d.ts' */

/** @import { OpenLists } from './count-tiles.js' */

/** @typedef {[label: string, value: string]} Fact */

const TICK_MS = 1_000;

/** The average speed of a shorter import would be meaningless. */
const MIN_AVERAGE_SECONDS = 0.5;

/**
 * @typedef {object} ProgressCard
 * @property {HTMLElement} element
 * @property {HTMLElement} problem empty place for an explanation of the step
 * @property {HTMLElement} actions empty place for the buttons of the step
 * @property {(job: ImportDetail) => void} show
 * @property {() => void} stop
 */

/**
 * Create the card.
 * @param {ImportDetail} job
 * @param {OpenLists} [lists] opens the lists of the counts
 * @returns {ProgressCard}
 */
export function createProgressCard(job, lists) {
  const name = isImport(job) ? t('imports.progress.card.label', { name: job.filename }) : nameOf(job);
  const pill = createStatusPill({ testid: 'import-status' });
  const bar = progressBar({ label: name, testid: 'import-progress' });
  const headline = h('h2', { class: 'import-headline', data: { testid: 'import-headline' } });
  const percentText = h('span', { class: 'import-percent tabular', data: { testid: 'import-percent' } });
  const factList = h('dl', { class: 'facts' });
  const problem = h('div', { class: 'import-problem' });
  const actions = h('div', { class: 'import-actions' });
  const counts = createCountTiles(lists);
  const announceProgress = progressAnnouncer();
  const firstSeenAt = pageNow();
  const counter = createProgressCounter(job);
  let latest = job;

  const tick = () => {
    const isLost = !isReachable() && isRunning(latest);
    element.classList.toggle('is-lost', isLost);
    setText(headline, isLost ? t('imports.progress.card.lost') : jobHeadline(latest, pageNow() - firstSeenAt));
    showFacts(factList, factsOf(latest, counter));
  };
  /** @param {ImportDetail} next */
  const show = (next) => {
    latest = next;
    counter.accept(next);
    pill.show(next);
    element.dataset.status = next.status;
    const percent = formatShare(next.step_progress / 100);
    const { word: status, tone } = describeStatus(next);
    bar.set(next.step_progress, t('imports.progress.card.percent', { percent, status }));
    bar.tone(tone);
    // A full bar would look like a success.
    const hidesProgress = isAllRejected(next) || Boolean(next.undo_state);
    bar.element.hidden = hidesProgress;
    percentText.hidden = hidesProgress;
    setText(percentText, percent);
    counts.show(jobCounts(next));
    // The counts of a check are only known when it ends.
    counts.element.hidden = isChecking(next);
    tick();
    announceChange(announceProgress, next);
  };
  const element = h(
    'article',
    { class: 'card import-card', 'aria-label': name, data: { testid: 'import-card' } },
    h('div', { class: 'import-head' }, pill.element, headline, percentText),
    bar.element,
    problem,
    factList,
    counts.element,
    actions,
  );
  show(job);
  const timer = setInterval(() => !isFinal(latest) && tick(), TICK_MS);
  return { element, problem, actions, show, stop: () => clearInterval(timer) };
}

/**
 * @param {ImportDetail} job
 * @param {ReturnType<typeof createProgressCounter>} counter
 * @returns {Fact[]}
 */
function factsOf(job, counter) {
  const isEnded = isFinal(job);
  /** @type {Fact[]} */
  const facts = [];
  const rows = describeRows(job);
  if (rows) facts.push(rows);
  const speed = isBulk(job) ? null : isEnded ? averageSpeed(job) : job.current_rows_per_second;
  if (speed) {
    const label = isEnded ? t('imports.progress.card.average_speed') : t('imports.progress.card.speed');
    facts.push([label, t('imports.progress.card.rate', { rate: speed, isUndo: isUndo(job) })]);
  }
  const elapsed = counter.elapsedSeconds();
  if (elapsed !== null && isEnded) facts.push([t('imports.progress.card.duration'), formatDuration(elapsed)]);
  if (elapsed !== null && !isEnded) facts.push([t('imports.progress.card.elapsed'), formatClock(elapsed)]);
  const timeLeft = describeTimeLeft(job, counter);
  if (timeLeft) facts.push([t('imports.progress.card.time_left'), timeLeft]);
  return facts;
}

/**
 * @param {ImportDetail} job
 * @param {ReturnType<typeof createProgressCounter>} counter
 */
function describeTimeLeft(job, counter) {
  if (job.status === 'pending') return t('imports.progress.card.time_left_unknown');
  if (job.status !== 'processing') return '';
  const left = counter.secondsLeft();
  return left === null ? t('imports.progress.card.estimating') : formatTimeLeft(left);
}

/** @param {ImportDetail} job */
const averageSpeed = (job) => ((job.duration_seconds ?? 0) >= MIN_AVERAGE_SECONDS ? job.rows_per_second : null);

/**
 * Show facts in a list. Elements are kept while the labels stay the same, so that people can select changing numbers.
 * @param {HTMLElement} list
 * @param {Fact[]} facts
 */
function showFacts(list, facts) {
  const labels = facts.map(([label]) => label).join('|');
  if (list.dataset.labels !== labels) {
    list.dataset.labels = labels;
    fill(
      list,
      facts.map(([label]) => h('div', {}, h('dt', { text: label }), h('dd', { class: 'tabular' }))),
    );
  }
  [...list.querySelectorAll('dd')].forEach((element, index) => setText(element, facts[index]?.[1] ?? ''));
}

/**
 * @param {ReturnType<typeof progressAnnouncer>} announceProgress
 * @param {ImportDetail} job
 */
function announceChange(announceProgress, job) {
  const percent = job.step_progress;
  const headline = jobHeadline(job);
  if (job.status === 'completed') {
    const text = describeCounts(jobCounts(job));
    announceProgress(100, t('imports.progress.card.ended', { headline, text }), true);
  } else if (isFinal(job) || job.status === 'awaiting_confirmation') {
    const text = failureOf(job);
    announceProgress(percent, text ? t('imports.progress.card.ended', { headline, text }) : headline, true);
  } else {
    const args = { status: describeStatus(job).word, percent: formatShare(percent / 100) };
    announceProgress(percent, t('imports.progress.card.announce', args));
  }
}
