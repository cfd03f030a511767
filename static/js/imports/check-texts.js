// Sentences about a check: what the import would do, and what can become of its rows.

import { formatAnd, formatList, formatPart } from '../core/format.js';
import { t } from '../core/i18n.js';
import { countRemovals } from './counts.js';

/** @import { ImportDetail, Preview, PreviewCounts } from '../core/types.d.ts' */

/**
 * Say in the history what an import that waits for its confirmation would do.
 * @param {PreviewCounts} counts
 */
export function describePlan({ create, update, missing }) {
  const plan = /** @type {const} */ ([
    ['create', create],
    ['update', update],
    ['remove', missing],
  ])
    .filter(([, count]) => count)
    .map(([effect, count]) => t('imports.history.plan.item', { effect, count }));
  return plan.length ? t('imports.history.plan.would', { plan: formatAnd(plan) }) : t('imports.history.plan.nothing');
}

/**
 * Return the headline of a check: what the import would do, and how much of the file is rejected.
 * @param {Pick<ImportDetail, 'options' | 'preview'>} job
 * @returns {string}
 */
export function checkHeadline({ options, preview }) {
  if (!preview) return t('imports.check.headline.not_counted');
  const { create, update, unchanged, duplicate, rejected } = preview;
  const total = create + update + unchanged + duplicate + rejected;
  const changes =
    formatList(
      /** @type {const} */ ([
        ['created', create],
        ['updated', update],
        [options.missing === 'delete' ? 'deleted' : 'deactivated', countRemovals({ options, preview })],
      ])
        .filter(([, count]) => count)
        .map(([name, count], index) =>
          index
            ? t('imports.check.headline.next', { name, count })
            : t('imports.check.headline.first', { name, count }),
        ),
    ) || t('imports.check.headline.nothing');
  if (!rejected) return changes;
  if (rejected === total) return t('imports.check.headline.all_rejected', { changes, total });
  return t('imports.check.headline.rejected', { changes, rejected, total, share: formatPart(rejected, total) });
}

/**
 * Return the label of the button that confirms a check.
 * @param {Pick<ImportDetail, 'options' | 'preview'>} job
 */
export function confirmLabel({ options, preview }) {
  const count = preview ? preview.create + preview.update : 0;
  const removals = countRemovals({ options, preview });
  const action = options.missing === 'delete' ? 'delete' : 'deactivate';
  if (count && removals) return t('imports.check.confirm.both', { count, action, removals });
  if (removals) return t('imports.check.confirm.remove', { action, count: removals });
  return count ? t('imports.check.confirm.import', { count }) : t('imports.check.confirm.nothing');
}

/**
 * Say beside the rejected rows of a check what can become of the other rows.
 * @param {Pick<Preview, 'create' | 'update' | 'unchanged' | 'duplicate'>} preview
 */
export function describeOtherRows({ create, update, unchanged, duplicate }) {
  const count = create + update + unchanged + duplicate;
  if (!count) return t('imports.reject.others.none');
  return create + update
    ? t('imports.reject.others.importable', { count })
    : t('imports.reject.others.unchanged', { count });
}

/**
 * Explain why an all-or-nothing import with rejected rows writes nothing.
 * @param {number} rejectedCount
 * @param {number} rowCount of the file
 * @returns {{title: string, detail: string}}
 */
export function describeAllOrNothing(rejectedCount, rowCount) {
  const others = rowCount - rejectedCount;
  return {
    title: t('imports.reject.all_or_nothing', { count: rejectedCount }),
    detail:
      others > 0 ? t('imports.reject.correct_or_skip', { bad: rejectedCount, others }) : t('imports.reject.correct'),
  };
}
