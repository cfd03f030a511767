// Objects of the API for the tests of the import pages.

/** @import { BulkDetails, ImportDetail, ImportFile } from '../../../static/js/core/types.d.ts' */
/** @import { LogEntry, Notice, Preview } from '../../../static/js/core/types.d.ts' */

/**
 * Create an import that was just queued, with changes.
 * @param {Partial<ImportDetail>} [changes]
 * @returns {ImportDetail}
 */
export const createImport = (changes = {}) => ({
  id: 1,
  task_id: '5b0c6d1e-7f0a-4c52-9d6b-0f2a51f0f6a3',
  kind: 'import',
  filename: 'lamps.csv',
  file_size: 1234,
  status: 'pending',
  phase: 'queued',
  run: 1,
  mode: 'upsert',
  on_reject: 'skip',
  progress: 0,
  step_progress: 0,
  total_records: 0,
  processed_records: 0,
  rows_read: 0,
  rows_written: 0,
  rows_compared: 0,
  created_count: 0,
  updated_count: 0,
  unchanged_count: 0,
  skipped_count: 0,
  duplicate_count: 0,
  rejected_count: 0,
  removed_count: 0,
  missing_count: 0,
  created_at: timeAt(0),
  started_at: null,
  finished_at: null,
  updated_at: timeAt(0),
  confirm_until: null,
  retry_until: null,
  undo_until: null,
  undo_of: null,
  undone_by: null,
  undo_state: null,
  undo: null,
  bulk: null,
  left_alone_count: 0,
  started_from: 'page',
  started_by: '127.0.0.1',
  duration_seconds: null,
  rows_per_second: null,
  current_rows_per_second: null,
  seconds_left: null,
  seconds_since_update: null,
  error_message: null,
  error_code: null,
  error_details: null,
  options: {
    preview: false,
    mode: 'upsert',
    on_reject: 'skip',
    delimiter: null,
    quote: null,
    encoding: null,
    mapping: null,
    header_line: null,
    sheet: null,
    short_rows: 'reject',
    missing: 'keep',
    missing_limit: 0.1,
  },
  file: null,
  notices: [],
  preview: null,
  log: [],
  samples: [],
  fixes_count: 0,
  ...changes,
});

/**
 * Create a bulk change that was just queued, or with the kind "undo" the undo of one.
 * @param {Partial<BulkDetails>} [bulk]
 * @param {Partial<ImportDetail>} [changes]
 * @returns {ImportDetail & {bulk: BulkDetails}}
 */
export const createBulkJob = (bulk = {}, changes = {}) => ({
  ...createImport({ kind: 'bulk', filename: 'Deactivate products', file_size: 0, ...changes }),
  bulk: { action: 'deactivate', field: null, value: null, selection: 'filter', filter: {}, ids: null, ...bulk },
});

/**
 * Create an import that is checked first.
 * @param {Partial<ImportDetail>} [changes]
 */
export const createCheckedImport = (changes = {}) =>
  createImport({ options: { ...createImport().options, preview: true }, ...changes });

/**
 * @param {Partial<Preview>} [changes]
 * @returns {Preview}
 */
export const createPreview = (changes = {}) => ({
  create: 0,
  update: 0,
  unchanged: 0,
  skipped: 0,
  duplicate: 0,
  rejected: 0,
  missing: 0,
  missing_action: 'keep',
  catalogue: null,
  fields: {},
  checked_at: null,
  changes: [],
  rejects: [],
  ...changes,
});

/**
 * @param {Partial<ImportFile>} [changes]
 * @returns {ImportFile}
 */
export const createFile = (changes = {}) => ({
  columns: [],
  delimiter: ',',
  encoding: 'utf-8',
  escaped: false,
  wrapped: false,
  packing: 'none',
  problem: null,
  quote: '"',
  remembered: false,
  sheet: null,
  sheets: [],
  unmapped: [],
  ...changes,
});

/**
 * @param {Partial<Notice>} [changes]
 * @returns {Notice}
 */
export const createNotice = (changes = {}) => ({
  code: 'short_rows',
  message: 'Rows have fewer cells than the header.',
  details: {},
  count: 1,
  lines: [],
  samples: [],
  fix: null,
  fixes: [],
  ...changes,
});

/**
 * Create a log with these events.
 * @param {...string} events oldest first
 * @returns {LogEntry[]}
 */
export const createLog = (...events) =>
  events.map((event) => ({ event, at: timeAt(0), message: '', code: null, details: null }));

/**
 * Return a time of the server, as the API writes it.
 * @param {number} seconds
 */
export function timeAt(seconds) {
  return new Date(Date.UTC(2026, 10, 24) + seconds * 1000).toISOString();
}

/** A time that stays in the future while the tests run. */
export const LATER = '2999-01-01T00:00:00Z';
