// The screen of one import: #/imports/<task_id>/check, /progress or /result. The address without a step redirects to
// the step that the import is at.

import { messageOf, nextStep } from '../core/api.js';
import { buildBanner } from '../core/banner.js';
import { reconnected } from '../core/connection.js';
import { fill, h, setText } from '../core/dom.js';
import { formatShare } from '../core/format.js';
import { t } from '../core/i18n.js';
import { go, redirect } from '../core/router.js';
import { createCheckStep } from './check-step.js';
import { watchImport } from './import-watcher.js';
import { createJobActions } from './job-actions.js';
import { isAllRejected, isImport, nameOf, titleOf } from './job.js';
import { createNextLink } from './next-import.js';
import { createProgressStep } from './progress-step.js';
import { createResultStep } from './result-step.js';
import { createStepsBar } from './steps-bar.js';
import { currentStep, hasContent, importAddress, isStep } from './steps.js';

/** @import { BannerOptions } from '../core/banner.js' */
/** @import { Screen, ScreenLocation } from '../core/router.js' */
/** @import { ImportDetail } from '../core/types.d.ts' */
/** @import { StepContext } from './job-actions.js' */
/** @import { Step } from './steps.js' */

/**
 * The content of a step. `show` updates it with a newer version of the job.
 * @typedef {{element: HTMLElement, show: (job: ImportDetail) => void, stop: () => void}} StepView
 */

/** @type {Record<Step, (job: ImportDetail, context: StepContext) => StepView>} */
const STEPS = { check: createCheckStep, progress: createProgressStep, result: createResultStep };

/** @type {Screen} */
export const importDetailScreen = {
  mount(root, { params }) {
    const taskId = params.id ?? '';
    const title = h('h1', { class: 'file-title', text: t('imports.job.screen.import') });
    const steps = createStepsBar();
    const nextLink = createNextLink();
    const problem = h('div', { class: 'step-problem' });
    const body = h('div', {}, loadingCard());
    root.append(
      h(
        'div',
        { class: 'screen screen-narrow' },
        h('div', { class: 'screen-head' }, breadcrumb(), title),
        h('div', { class: 'steps-line' }, steps.element, nextLink.element),
        problem,
        body,
      ),
    );

    let wantedStep = stepIn(params);
    /** @type {ImportDetail | null} */
    let job = null;
    /** @type {StepView | null} */
    let view = null;
    /** @type {Step | null} */
    let shownStep = null;
    const reload = () => watcher.reload();
    const actions = createJobActions({ taskId, problem, reload });

    /**
     * @param {ImportDetail} latest
     * @param {Step} step
     */
    const show = (latest, step) => {
      setText(title, nameOf(latest));
      title.title = titleOf(latest);
      document.title = pageTitle(latest);
      steps.show(latest, step);
      if (view && shownStep === step) return view.show(latest);
      view?.stop();
      if (shownStep) {
        window.scrollTo(0, 0);
        root.focus({ preventScroll: true });
      }
      shownStep = step;
      view = STEPS[step](latest, { runAction: actions.run, reload });
      return fill(body, view.element);
    };
    /** @param {ImportDetail} latest */
    const onChange = (latest) => {
      const before = job && currentStep(job);
      if (job?.status !== latest.status && isImport(latest)) nextLink.load(latest);
      job = latest;
      const current = currentStep(job);
      // If the address shows the step that the import was at, follow the import to its next step.
      const isFollowing = before !== null && before !== current && wantedStep === before;
      // A confirmed check remains in the browser's history.
      if (isFollowing && before === 'check' && hasContent(job, 'check')) return go(importAddress(taskId, current));
      if (isFollowing || !wantedStep || !hasContent(job, wantedStep)) return redirect(importAddress(taskId, current));
      return show(job, wantedStep);
    };
    /**
     * Replace the content of the screen by a message.
     * @param {string} heading
     * @param {BannerOptions} banner
     */
    const showFailure = (heading, banner) => {
      view?.stop();
      view = null;
      shownStep = null;
      steps.element.hidden = true;
      title.textContent = heading;
      document.title = t('common.page_title', { name: heading });
      fill(body, buildBanner(banner));
    };
    const watcher = watchImport(taskId, {
      onChange,
      onMissing: (error) =>
        showFailure(t('imports.job.screen.not_found'), {
          title: error.message,
          detail: t('imports.job.screen.not_found_hint'),
          action: { label: t('imports.job.screen.all'), run: () => go('#/import') },
        }),
      onError: (error) =>
        showFailure(t('imports.job.screen.import'), {
          title: messageOf(error),
          detail: nextStep(error),
          action: { label: t('common.try_again'), run: reload },
        }),
    });
    /** @param {ScreenLocation} location */
    const update = (location) => {
      wantedStep = stepIn(location.params);
      actions.clear();
      if (job) onChange(job);
    };
    const stopReconnect = reconnected.subscribe(actions.clear);
    const unmount = () => {
      stopReconnect();
      watcher.stop();
      view?.stop();
    };
    return { update, unmount };
  },
};

/**
 * @param {ScreenLocation['params']} params
 * @returns {Step | null} null if the address has no step
 */
const stepIn = ({ step }) => (isStep(step) ? step : null);

function breadcrumb() {
  return h(
    'nav',
    { class: 'crumbs', 'aria-label': t('imports.job.screen.breadcrumb') },
    h('a', { href: '#/import', text: t('imports.job.screen.import') }),
    h('span', { 'aria-hidden': 'true', text: '/' }),
  );
}

function loadingCard() {
  return h(
    'div',
    { class: 'card import-card skeleton-card', 'aria-busy': 'true' },
    h('p', { class: 'visually-hidden', text: t('imports.job.screen.loading') }),
    h('div', { class: 'skeleton' }),
    h('div', { class: 'skeleton' }),
  );
}

/** @type {Record<string, string | undefined>} */
const TITLE_WORDS = {
  failed: t('imports.job.screen.state.failed'),
  cancelled: t('imports.job.screen.state.cancelled'),
  awaiting_confirmation: t('imports.job.screen.state.to_confirm'),
};

const COMPLETED_WORDS = {
  import: t('imports.job.screen.state.imported'),
  bulk: t('imports.job.screen.state.completed'),
  undo: t('imports.job.screen.state.undone'),
};

/** @param {ImportDetail} job */
function pageTitle(job) {
  return t('common.page_title', { name: `${titleState(job)} · ${nameOf(job)}` });
}

/** @param {ImportDetail} job */
function titleState(job) {
  if (isAllRejected(job)) return t('imports.job.screen.state.all_rejected');
  if (job.status === 'completed') return COMPLETED_WORDS[job.kind];
  return TITLE_WORDS[job.status] ?? formatShare(job.step_progress / 100);
}
