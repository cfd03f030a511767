// What the browser remembers of unfinished uploads, so that they can go on after the page was left or loaded again.

import { currentWho, keyOf } from '../core/session.js';

const PREFIX = 'upload ';
/** The server removes an upload to which nothing was sent for so long. */
const LIFETIME_MS = 24 * 60 * 60 * 1000;

/**
 * An upload that has not ended.
 * @typedef {object} UploadRecord
 * @property {string} url its address on the server
 * @property {string} name of the file
 * @property {number} size of the file in bytes
 * @property {number} lastModified of the file, in milliseconds
 * @property {Record<string, string>} fields the options of the import
 */

/** @typedef {UploadRecord & {owner: string, savedAt: number}} SavedRecord `savedAt` is in milliseconds. */

/**
 * Save or replace the record of an upload.
 * @param {UploadRecord} record
 */
export function saveRecord(record) {
  try {
    /** @type {SavedRecord} */
    const saved = { ...record, owner: keyOf(currentWho()), savedAt: Date.now() };
    localStorage.setItem(PREFIX + record.url, JSON.stringify(saved));
  } catch {
    // The browser blocks the storage, or it is full: the upload cannot go on after the page is left.
  }
}

/** @param {string} url of an upload */
export function removeRecord(url) {
  try {
    localStorage.removeItem(PREFIX + url);
  } catch {
    // The browser blocks the storage, so there is no record.
  }
}

/**
 * Return the records of this person, the oldest first.
 * @returns {UploadRecord[]}
 */
export function listRecords() {
  /** @type {SavedRecord[]} */
  const found = [];
  try {
    for (const key of Object.keys(localStorage).filter((name) => name.startsWith(PREFIX))) {
      const record = parseRecord(localStorage.getItem(key));
      if (!record || Date.now() - record.savedAt > LIFETIME_MS) localStorage.removeItem(key);
      else if (record.owner === keyOf(currentWho())) found.push(record);
    }
  } catch {
    return [];
  }
  return found.toSorted((a, b) => a.savedAt - b.savedAt);
}

/**
 * Return whether a file is the one of a record. Browsers hide where a file is: its name, size and time decide.
 * @param {Pick<UploadRecord, 'name' | 'size' | 'lastModified'>} record
 * @param {File} file
 */
export const isSameFile = (record, file) =>
  record.name === file.name && record.size === file.size && record.lastModified === file.lastModified;

/**
 * Return whether an upload of a file with these options can go on with a record.
 * @param {UploadRecord} record
 * @param {File} file
 * @param {Record<string, string>} fields
 */
export const isSameUpload = (record, file, fields) =>
  isSameFile(record, file) && sortedText(record.fields) === sortedText(fields);

/**
 * Let other tabs see that this one sends an upload.
 * @param {string} url
 * @returns {() => void} a function that ends it; leaving the page ends it, too
 */
export function holdUpload(url) {
  let release = () => {};
  /** @type {Promise<void>} */
  const released = new Promise((resolve) => {
    release = resolve;
  });
  // Browsers have locks only on secure pages. Without them, a second tab may take the upload over, which harms nothing.
  globalThis.navigator?.locks?.request(PREFIX + url, () => released).catch(() => {});
  return release;
}

/**
 * Return the addresses of the uploads that any tab sends.
 * @returns {Promise<Set<string>>}
 */
export async function heldUploads() {
  const { held = [] } = (await globalThis.navigator?.locks?.query().catch(() => undefined)) ?? {};
  return new Set(held.map(({ name = '' }) => name.slice(PREFIX.length)));
}

/**
 * @param {string | null} text
 * @returns {SavedRecord | null} null if it is no record
 */
function parseRecord(text) {
  try {
    /** @type {SavedRecord | null} */
    const record = JSON.parse(text ?? 'null');
    return record && record.url && record.name && record.fields ? record : null;
  } catch {
    return null;
  }
}

/** @param {Record<string, string>} fields */
const sortedText = (fields) => JSON.stringify(Object.entries(fields).toSorted(([a], [b]) => (a < b ? -1 : 1)));
