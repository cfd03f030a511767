// A link from one import to the next one that waits for its confirmation.

import { h, setText } from '../core/dom.js';
import { t } from '../core/i18n.js';
import { importAddress } from './steps.js';
import { fetchWaiting, nextToConfirm } from './waiting-imports.js';

/** @import { ImportJob } from '../core/types.d.ts' */

/**
 * Create the link. It is hidden while no other import waits.
 * @returns {{element: HTMLElement, load: (job: ImportJob) => Promise<void>}} `load` finds the import after this one
 */
export function createNextLink() {
  const name = h('span', { class: 'next-name' });
  const more = h('span', { class: 'muted' });
  const element = h(
    'a',
    { class: 'next-import', hidden: true, data: { testid: 'next-to-confirm' } },
    h('span', { text: t('imports.history.waiting.next_of') }),
    name,
    more,
  );
  /** @param {ImportJob} job */
  const load = async (job) => {
    try {
      const waiting = await fetchWaiting();
      const next = nextToConfirm(waiting, job);
      element.hidden = !next;
      if (!next) return;
      const others = waiting.filter(({ task_id: id }) => id !== job.task_id && id !== next.task_id).length;
      element.href = importAddress(next.task_id, 'check');
      setText(name, next.filename);
      setText(more, others ? t('imports.history.waiting.more', { count: others }) : '');
    } catch {
      // The link is optional, and the screen reports what is wrong.
    }
  };
  return { element, load };
}
