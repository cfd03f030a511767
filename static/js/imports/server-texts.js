// Sentences of the server about jobs and rows, in the language of the page.

import { apiText } from '../core/i18n.js';

/** @import { Details } from '../core/i18n.js' */
/** @import { BulkCount, LogEntry, RejectGroup, RejectedRow } from '../core/types.d.ts' */

/** Events whose entries say why a job ended or stopped. */
const FAILURES = ['expired', 'failed', 'interrupted', 'refused'];

/** @param {LogEntry} entry */
export function logText({ event, message, code, details }) {
  const group = FAILURES.includes(event) ? 'failure' : 'log';
  // Entries of earlier versions have no code. The event is one if it has a single sentence.
  return apiText(`${group}.${code ?? event}`, details) ?? message;
}

/** @param {Pick<RejectedRow | RejectGroup, 'code' | 'message' | 'details'>} reject */
export const rejectText = ({ code, message, details }) => apiText(`reject.${code}`, details) ?? message;

/** @param {BulkCount} answer */
export const bulkText = ({ message, code, details }) => apiText(`log.${code}`, details) ?? message;

/**
 * Return why rows are missing in a list.
 * @param {{message: string | null, message_code: string | null, message_details: Details | null}} answer
 * @returns {string | null} null if none is missing
 */
export const listText = ({ message, message_code: code, message_details: details }) =>
  message && (apiText(`reject.list.${code}`, details) ?? message);
