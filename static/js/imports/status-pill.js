// A pill that shows the status of a job with a word and an icon. The colour only supports them.

import { fill, h } from '../core/dom.js';
import { icon } from '../core/icons.js';
import { describeStatus } from './job.js';

/** @import { StatusFields } from './job.js' */

/**
 * Create a pill.
 * @param {Record<string, string>} [data] data-* attributes
 * @returns {{element: HTMLElement, show: (job: StatusFields) => void}}
 */
export function createStatusPill(data = {}) {
  const element = h('span', { class: 'pill', data });
  let shown = '';
  /** @param {StatusFields} job */
  const show = (job) => {
    const { word, icon: shape, tone } = describeStatus(job);
    // Replacing an unchanged pill would restart its animation with every event.
    if (shown === word + tone) return;
    shown = word + tone;
    element.className = `pill pill-${tone}`;
    element.dataset.status = job.status;
    fill(element, icon(shape, tone === 'running' ? 'spin' : ''), h('span', { text: word }));
  };
  return { element, show };
}
