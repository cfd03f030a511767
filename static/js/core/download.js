// Downloads that the page starts itself, and the sample file.

import { h } from './dom.js';
import { t } from './i18n.js';
import { icon } from './icons.js';

/** A small file with every column and with values that are easily misread. */
export const SAMPLE_ADDRESS = '/static/sample-products.csv';

/**
 * Download a file.
 * @param {string} href
 * @param {string} [name] of the file; by default the one that the server gives
 */
export function downloadFile(href, name = '') {
  const link = h('a', { href, hidden: true });
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
}

/**
 * Create the link to the sample file.
 * @param {string} [look] class
 */
export const sampleLink = (look = 'button') =>
  h(
    'a',
    { class: look, href: SAMPLE_ADDRESS, download: true, data: { testid: 'sample-file' } },
    icon('download'),
    t('core.sample'),
  );
