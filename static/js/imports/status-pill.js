// The status of a job in a pill.

import { fill, h } from '../core/dom.js';
import { icon } from '../core/icons.js';
import { describeStatus } from './job.js';

/**
 * A pill with a word and a shape; colour only supports them.
 * @param {Record<string, string>} [data] data-* attributes
 * @returns {{element: HTMLElement, show: (job: object) => void}}
 */
export function createStatusPill(data = {}) {
  const element = h('span', { class: 'pill', data });
  let shown = '';
  const show = (job) => {
    const { word, icon: shape, tone } = describeStatus(job);
    // Rebuilding an unchanged pill would restart its animation with every event.
    if (shown === word + tone) return;
    shown = word + tone;
    element.className = `pill pill-${tone}`;
    element.dataset.status = job.status;
    fill(element, icon(shape, tone === 'running' ? 'spin' : ''), h('span', { text: word }));
  };
  return { element, show };
}
