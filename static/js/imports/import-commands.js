// What the command menu offers for imports on every screen, and the search for imports in the menu.

import { getJson } from '../core/api.js';
import { addCommandSearch } from '../core/command-menu.js';
import { SAMPLE_ADDRESS, downloadFile } from '../core/download.js';
import { formatMoment, oneLine } from '../core/format.js';
import { t } from '../core/i18n.js';
import { go } from '../core/router.js';
import { may } from '../core/session.js';
import { pickFiles } from './drop-zone.js';
import { describeStatus, nameOf } from './job.js';
import { importAddress } from './steps.js';

/** @import { Command } from '../core/commands.js' */
/** @import { Imports } from '../core/types.d.ts' */

const FOUND = 5;
const LABEL_CHARACTERS = 80;

/** @returns {Command[]} the commands of every screen */
export const importCommands = () =>
  may('imports:write')
    ? [
        {
          id: 'imports-choose',
          label: t('imports.history.command.choose'),
          keywords: t('imports.history.command.choose_words'),
          shape: 'upload',
          group: t('page.imports'),
          run: pickFiles,
        },
        {
          id: 'imports-sample',
          label: t('core.sample'),
          keywords: t('imports.history.command.sample_words'),
          shape: 'download',
          group: t('page.imports'),
          run: () => downloadFile(SAMPLE_ADDRESS),
        },
      ]
    : [];

/** Let the command menu find imports and bulk changes by their names. */
export function installImportSearch() {
  addCommandSearch({ title: t('page.imports'), when: () => may('imports:read'), search: findImports });
}

/**
 * @param {string} text
 * @param {AbortSignal} signal
 * @returns {Promise<Command[]>}
 */
async function findImports(text, signal) {
  /** @type {Imports} */
  const { imports } = await getJson('/api/imports', { query: { filename: text, per_page: FOUND }, signal });
  return imports.map((job) => ({
    id: `import-${job.task_id}`,
    label: [oneLine(nameOf(job), LABEL_CHARACTERS), describeStatus(job).word, formatMoment(job.created_at)].join(' · '),
    shape: 'file',
    run: () => go(importAddress(job.task_id)),
  }));
}
