// The parts of the page that its first screen may not need. They are loaded after it, or once somebody opens a screen
// of theirs.

import { buildBanner, showBanner } from './banner.js';
import { loadMoreTexts, t } from './i18n.js';

const BANNER_KEY = 'part-missing';

/** @returns {import('./banner.js').BannerOptions} what to say if a part could not be loaded */
const missing = () => ({
  title: t('core.part.missing'),
  detail: t('core.part.missing_hint'),
  action: { label: t('common.reload'), run: () => window.location.reload() },
});

/**
 * Return a function that loads a part of the page: first the other texts, because modules use them while they run.
 * @template Part
 * @param {() => Promise<Part>} load imports the module of the part
 * @returns {() => Promise<Part>} rejects if the server does not have it any more, because it was updated meanwhile
 */
export function definePart(load) {
  /** @type {Promise<Part> | null} */
  let loading = null;
  return () => {
    loading ??= loadMoreTexts().then(load);
    loading.catch(() => {
      loading = null;
    });
    return loading;
  };
}

/** Return what a screen shows whose part could not be loaded. */
export const missingPart = () => buildBanner(missing());

/** Say at the top of the page that a part could not be loaded. */
export const reportMissingPart = () => showBanner({ key: BANNER_KEY, ...missing() });
