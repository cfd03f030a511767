// The sentences about jobs in a German browser. This file has a process of its own, so it can set the language.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createBulkJob, createCheckedImport, createImport, createPreview } from './factories.js';

const links = [{ href: new URL('../../../static/locales/de.json', import.meta.url).href }];
Object.defineProperty(globalThis, 'document', {
  value: { documentElement: { lang: 'de' }, querySelectorAll: () => links },
});
Object.defineProperty(globalThis, 'navigator', { value: { languages: ['de-DE'] } });

const bulk = await import('../../../static/js/imports/bulk-texts.js');
const check = await import('../../../static/js/imports/check-texts.js');
const { describeCounts, jobCounts } = await import('../../../static/js/imports/counts.js');
const { describeAllRejected, describeWritten, jobHeadline } =
  await import('../../../static/js/imports/descriptions.js');
const { filterParameters } = await import('../../../static/js/imports/history-filters.js');
const { describeStatus, nameOf } = await import('../../../static/js/imports/job.js');

test('a check says in German what would happen', () => {
  const job = createCheckedImport({ preview: createPreview({ create: 1, update: 1200, missing: 3 }) });
  const deletion = { ...job, options: { ...job.options, missing: /** @type {const} */ ('delete') } };
  assert.equal(check.checkHeadline(deletion), '1 Produkt würde angelegt, 1.200 geändert und 3 gelöscht');
  assert.equal(
    check.checkHeadline(createCheckedImport({ preview: createPreview({ update: 1, rejected: 1 }) })),
    '1 Produkt würde geändert\u00a0· 1 von 2 Zeilen abgelehnt (50\u00a0%)',
  );
  assert.equal(check.confirmLabel(deletion), '1.201 Produkte importieren und 3 löschen');
  assert.equal(check.describePlan(createPreview({ create: 5, update: 1 })), 'Würde 5 anlegen und 1 ändern');
  assert.match(
    check.describeAllOrNothing(1, 3).detail,
    /sortieren Sie die fehlerhafte Zeile aus und .* die anderen\.$/,
  );
});

test('an import says in German what it did', () => {
  const job = createImport({ status: 'completed', total_records: 2000, rejected_count: 2, created_count: 1998 });
  assert.equal(jobHeadline({ ...job, duration_seconds: 1.84 }), '1.998 von 2.000 Zeilen importiert (1,8 s)');
  assert.equal(describeCounts(jobCounts(job)).split(',')[0], '1.998 angelegt');
  assert.equal(
    jobHeadline(createCheckedImport({ status: 'processing', phase: 'reading' })),
    'Prüfung: Die Datei wird gelesen',
  );
  assert.equal(
    describeWritten(createImport({ created_count: 1, updated_count: 1200 })),
    'Bis zum Abbruch wurde 1 Produkt angelegt und 1.200 geändert. Diese Änderungen bleiben bestehen.',
  );
  assert.equal(
    describeAllRejected({ status: 'awaiting_confirmation', total_records: 1 }),
    'Die einzige Zeile wurde abgelehnt, deshalb kann nichts importiert werden.',
  );
  assert.equal(nameOf({ kind: 'undo', filename: 'lamps.csv' }), 'Rücknahme von lamps.csv');
  assert.equal(describeStatus({ status: 'processing', phase: 'new phase' }).word, 'Läuft');
});

test('a bulk change says in German what it does and did', () => {
  const counts = { total_records: 1412, updated_count: 540, unchanged_count: 212 };
  const job = createBulkJob({}, counts);
  assert.equal(bulk.describeBulkAction(job), '1.412 Produkte werden deaktiviert');
  assert.equal(nameOf(job), 'Produkte deaktivieren');
  assert.equal(nameOf({ ...job, kind: 'undo' }), 'Rücknahme von „Produkte deaktivieren“');
  const clearing = createBulkJob({ action: 'set', field: 'name', value: '', selection: 'all' }, counts);
  assert.equal(bulk.describeBulkAction(clearing), 'Der Name von allen 1.412 Produkten wird geleert');
  assert.equal(bulk.describeBulkResult(job), '540 Produkte deaktiviert, 212 unverändert');
  assert.equal(
    bulk.describeBulkEnd({ ...job, status: 'cancelled', updated_count: 1 }),
    'Die Massenänderung wurde abgebrochen: Zuvor wurde 1 Produkt deaktiviert',
  );
  const filter = { q: 'lamp', sku: 'A-', active: true };
  assert.equal(
    bulk.describeSelection({ ...job.bulk, selection: 'filter', filter }),
    'Produkte mit diesen Filtern: „lamp“ in einem beliebigen Text, „A-“ in der SKU und aktiv',
  );
});

test('the history finds bulk changes by their German titles', () => {
  /** @param {string} filename */
  const titlesFor = (filename) => filterParameters({ filename }).bulk_titles;
  assert.equal(titlesFor('Lösch'), 'delete,delete_all');
  assert.equal(titlesFor('alle Produkte DEAKT'), 'deactivate_all,set_inactive_all');
  assert.equal(
    titlesFor('aktiv'),
    'activate,deactivate,set_active,set_inactive,' + 'activate_all,deactivate_all,set_active_all,set_inactive_all',
  );
  assert.equal(titlesFor('delete'), undefined);
  assert.deepEqual(filterParameters({ kind: 'bulk' }), { kind: 'bulk' });
});
