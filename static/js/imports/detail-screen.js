// One import: #/imports/<task_id>/check, /progress, /result. The address without a step leads to the one that fits.

import { nextStep } from '../core/api.js';
import { buildBanner } from '../core/banner.js';
import { reconnected } from '../core/connection.js';
import { fill, h, setText } from '../core/dom.js';
import { go, redirect } from '../core/router.js';
import { createCheckStep } from './check-step.js';
import { watchImport } from './import-watcher.js';
import { createJobActions } from './job-actions.js';
import { isFinal, nameOf } from './job.js';
import { createProgressStep } from './progress-step.js';
import { createResultStep } from './result-step.js';
import { createStepsBar } from './steps-bar.js';
import { currentStep, hasContent, importAddress } from './steps.js';

/**
 * @typedef {{call: Function, reload: () => Promise<void>}} StepContext what a step needs to do something with its
 *   import
 */

const APP_NAME = 'Acme Product Importer';
const STEPS = { check: createCheckStep, progress: createProgressStep, result: createResultStep };

/** @type {import('../core/router.js').Screen} */
export const importDetailScreen = {
  mount(root, { params }) {
    const title = h('h1', { class: 'file-title', text: 'Import' });
    const steps = createStepsBar();
    const problem = h('div', { class: 'step-problem' });
    const body = h('div', {}, loadingCard());
    root.append(
      h(
        'div',
        { class: 'screen screen-narrow' },
        h(
          'div',
          { class: 'screen-head' },
          h(
            'nav',
            { class: 'crumbs', 'aria-label': 'Breadcrumb' },
            h('a', { href: '#/import', text: 'Import' }),
            h('span', { 'aria-hidden': 'true', text: '/' }),
          ),
          title,
        ),
        steps.element,
        problem,
        body,
      ),
    );

    let wanted = params.step;
    let job = null;
    let view = null;
    let shownStep = '';
    const reload = () => model.reload();
    const calls = createJobActions({ taskId: params.id, problem, reload });

    const show = () => {
      setText(title, nameOf(job));
      title.title = job.filename;
      document.title = pageTitle(job);
      steps.show(job, wanted);
      if (shownStep !== wanted) {
        view?.stop();
        if (shownStep) {
          window.scrollTo(0, 0);
          root.focus({ preventScroll: true });
        }
        shownStep = wanted;
        view = STEPS[wanted](job, { call: calls.call, reload });
        fill(body, view.element);
      } else {
        view.show(job);
      }
    };
    const onChange = (latest) => {
      const before = job && currentStep(job);
      job = latest;
      const fits = currentStep(job);
      // Who looks at the step that the import was at goes on with it; a check that was confirmed stays in the history.
      const isFollowing = before !== null && before !== fits && wanted === before;
      if (isFollowing && wanted === 'check' && hasContent(job, 'check')) return go(importAddress(params.id, fits));
      if (isFollowing || !hasContent(job, wanted)) return redirect(importAddress(params.id, fits));
      return show();
    };
    const gone = (heading, banner) => {
      view?.stop();
      view = null;
      shownStep = '';
      steps.element.hidden = true;
      title.textContent = heading;
      document.title = `${heading} · ${APP_NAME}`;
      fill(body, buildBanner(banner));
    };
    const model = watchImport(params.id, {
      onChange,
      onMissing: (error) =>
        gone('Import not found', {
          title: error.message,
          detail: 'The address may be mistyped, or the import was removed.',
          action: { label: 'All imports', run: () => go('#/import') },
        }),
      onError: (error) =>
        gone('Import', { title: error.message, detail: nextStep(error), action: { label: 'Try again', run: reload } }),
    });
    const update = (location) => {
      wanted = location.params.step;
      calls.clear();
      if (job) onChange(job);
    };
    const stopReconnect = reconnected.subscribe(calls.clear);
    const unmount = () => {
      stopReconnect();
      model.stop();
      view?.stop();
    };
    return { update, unmount };
  },
};

function loadingCard() {
  return h(
    'div',
    { class: 'card import-card skeleton-card', 'aria-busy': 'true' },
    h('p', { class: 'visually-hidden', text: 'Loading the import…' }),
    h('div', { class: 'skeleton' }),
    h('div', { class: 'skeleton' }),
  );
}

function pageTitle(job) {
  const words = {
    completed: 'Imported',
    failed: 'Failed',
    cancelled: 'Cancelled',
    awaiting_confirmation: 'To confirm',
  };
  const state =
    job.kind === 'undo' && job.status === 'completed'
      ? 'Undone'
      : (words[job.status] ?? (isFinal(job) ? job.status : `${job.progress ?? 0}%`));
  return `${state} · ${nameOf(job)} · ${APP_NAME}`;
}
