// Calls of the REST API. Every failure becomes an `ApiError` or a `NetworkError`.

import { unattendedHeader } from './attendance.js';
import { reportReachable, reportUnreachable } from './connection.js';
import { withCountdown } from './countdown.js';
import { takeEarlyAnswer } from './early-answers.js';
import { errorTexts } from './error-texts.js';
import { t } from './i18n.js';
import { queryString } from './query-string.js';
import { setServerTime } from './server-clock.js';
import { renewSession } from './session.js';

const TIMEOUT_MS = 30_000;
const FILE_TIMEOUT_MS = 120_000;
const GATEWAY_STATUSES = new Set([502, 503, 504]);
const UNAUTHENTICATED = 'unauthenticated';

/** @import { Query } from './query-string.js' */
/** @import { ErrorBody, Who } from './types.d.ts' */

/**
 * The server answered with an error. `message` is the text for its code, if the page has one in its language, and
 * otherwise the sentence of its answer, which is in English. If there were too many requests, it says
 * when to try again, and the page counts down wherever it shows the message.
 */
export class ApiError extends Error {
  /**
   * @param {number} status HTTP status, 0 if the connection broke
   * @param {Partial<ErrorBody>} [body] of the answer
   * @param {number} [retryAfterSeconds] how long to wait before the next attempt
   */
  constructor(status, body, retryAfterSeconds = 0) {
    const texts = errorTexts(body);
    const message = texts.message || t('core.api.server_error', { status: String(status) });
    super(status === 429 && retryAfterSeconds ? withCountdown(message, retryAfterSeconds) : message);
    this.name = 'ApiError';
    this.status = status;
    this.code = body?.code ?? 'unknown';
    this.fields = texts.fields;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** The server did not answer. */
export class NetworkError extends Error {
  constructor() {
    super(t('core.api.unreachable'));
    this.name = 'NetworkError';
  }
}

/**
 * Send a GET and return the JSON of its answer. Callers declare its type: `@type {Products}`.
 * @param {string} path starts with /api
 * @param {object} [options]
 * @param {Query} [options.query]
 * @param {AbortSignal} [options.signal]
 * @returns {Promise<any>}
 * @throws {ApiError|NetworkError|DOMException} DOMException "AbortError" if the signal aborted the request
 */
export function getJson(path, { query, signal } = {}) {
  const request = { headers: { Accept: 'application/json' } };
  return callInSession(path + queryString(query), request, signal, TIMEOUT_MS);
}

/**
 * Send a POST, PUT or DELETE and return the JSON of its answer. Callers declare its type: `@type {Product}`.
 * @param {'POST'|'PUT'|'DELETE'} method
 * @param {string} path starts with /api
 * @param {object} [options]
 * @param {object} [options.body] sent as JSON
 * @param {string} [options.ifMatch] an ETag; without it the last writer wins
 * @param {boolean} [options.keepalive] lets the request outlive the page
 * @param {boolean} [options.isAsync] asks for an answer at once: a worker does the work (RFC 7240)
 * @param {number} [options.timeoutMs]
 * @returns {Promise<any>}
 * @throws {ApiError|NetworkError} NetworkError also if it is unknown whether the request arrived
 */
export function sendJson(
  method,
  path,
  { body, ifMatch, keepalive = false, isAsync = false, timeoutMs = TIMEOUT_MS } = {},
) {
  /** @type {Record<string, string>} */
  const headers = { Accept: 'application/json' };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (ifMatch) headers['If-Match'] = ifMatch;
  if (isAsync) headers.Prefer = 'respond-async';
  const request = { method, headers, keepalive, body: body === undefined ? undefined : JSON.stringify(body) };
  return callInSession(path, request, undefined, timeoutMs);
}

/**
 * Send a POST and return the file that it answers with.
 * @param {string} path starts with /api
 * @param {object} body sent as JSON
 * @returns {Promise<Blob>}
 * @throws {ApiError|NetworkError}
 */
export function fetchFile(path, body) {
  const headers = { 'Content-Type': 'application/json' };
  return callInSession(path, { method: 'POST', headers, body: JSON.stringify(body) }, undefined, FILE_TIMEOUT_MS, true);
}

/**
 * Return who makes the calls of this page.
 * @returns {Promise<Who | null>} null if nobody is signed in
 * @throws {ApiError|NetworkError}
 */
export async function fetchWho() {
  try {
    return await call('/api/session', { headers: { Accept: 'application/json' } }, undefined, TIMEOUT_MS);
  } catch (error) {
    if (isSessionMissing(error)) return null;
    throw error;
  }
}

/**
 * Return whether a call failed because nobody is signed in, for example because the session has ended.
 * @param {unknown} error
 */
export const isSessionMissing = (error) =>
  error instanceof ApiError && error.status === 401 && error.code === UNAUTHENTICATED;

/**
 * Return the ETag of a product, as the server computes it.
 * @param {{updated_at: string}} product
 */
export const etagOf = (product) => `"${product.updated_at}"`;

/**
 * Make a call. If the session has ended, ask to sign in again in place, then repeat the call: the server has refused
 * the first one, so nothing happens twice.
 * @param {string} address
 * @param {RequestInit} request
 * @param {AbortSignal | undefined} signal
 * @param {number} timeoutMs
 * @param {boolean} [isFile] whether the answer is a file
 * @returns {Promise<any>} JSON, or a Blob
 */
async function callInSession(address, request, signal, timeoutMs, isFile = false) {
  try {
    return await call(address, request, signal, timeoutMs, isFile);
  } catch (error) {
    if (!isSessionMissing(error) || !(await renewSession())) throw error;
    return call(address, request, signal, timeoutMs, isFile);
  }
}

/**
 * @param {string} address
 * @param {RequestInit} request
 * @param {AbortSignal | undefined} signal
 * @param {number} timeoutMs
 * @param {boolean} [isFile] whether the answer is a file
 * @returns {Promise<any>} JSON, or a Blob
 */
async function call(address, request, signal, timeoutMs, isFile = false) {
  let answer;
  let content;
  try {
    const { response, arrivedAt } = await (takeEarlyAnswer(address) ?? send(address, request, signal, timeoutMs));
    answer = response;
    content = await (isFile && answer.ok ? answer.blob() : answer.text());
    // An early request does not know the signal.
    signal?.throwIfAborted();
    setServerTime(answer.headers.get('Date'), arrivedAt);
  } catch (error) {
    if (signal?.aborted) throw error;
    reportUnreachable();
    throw new NetworkError();
  }
  if (content instanceof Blob) {
    reportReachable();
    return content;
  }
  return readAnswer(answer.status, content, answer.headers.get('Retry-After'));
}

/**
 * @param {string} address
 * @param {RequestInit} request
 * @param {AbortSignal | undefined} signal
 * @param {number} timeoutMs
 * @returns {Promise<Answer>}
 */
async function send(address, request, signal, timeoutMs) {
  const timeout = AbortSignal.timeout(timeoutMs);
  const response = await fetch(address, {
    ...request,
    headers: { ...request.headers, ...unattendedHeader() },
    cache: 'no-store',
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
  });
  return { response, arrivedAt: Date.now() };
}

/**
 * Return the JSON of an answer, or throw its error. Uploads need it too, because they use XMLHttpRequest.
 * @param {number} status
 * @param {string} text
 * @param {string | null} retryAfter its header Retry-After, in seconds
 * @returns {any}
 * @throws {ApiError|NetworkError}
 */
export function readAnswer(status, text, retryAfter) {
  const body = parseJson(text);
  if (body === undefined && GATEWAY_STATUSES.has(status)) {
    // A proxy answered instead of the server.
    reportUnreachable();
    throw new NetworkError();
  }
  reportReachable();
  if (status < 200 || status > 299) throw new ApiError(status, body, Number(retryAfter) || 0);
  if (body === undefined) {
    throw new ApiError(status, { error: t('core.api.unreadable'), code: 'bad_answer' });
  }
  return body;
}

/**
 * @param {string} text
 * @returns {any} undefined if it is not JSON
 */
function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Return the message of something that was thrown.
 * @param {unknown} error
 */
export const messageOf = (error) => (error instanceof Error ? error.message : String(error));

/**
 * Return whether the server answered with this status.
 * @param {unknown} error
 * @param {number} status
 */
export const hasStatus = (error, status) => error instanceof ApiError && error.status === status;

/**
 * Describe what a person can do about an error.
 * @param {unknown} error
 * @returns {string} a sentence, "" if there is nothing to say
 */
export function nextStep(error) {
  if (error instanceof NetworkError) return t('core.api.check_server');
  if (!(error instanceof ApiError)) return '';
  const fieldTexts = Object.values(error.fields)
    .flat()
    .filter((text) => text !== error.message);
  if (fieldTexts.length) return fieldTexts.join(' ');
  if (error.status === 403 && error.code === 'forbidden') return t('core.api.ask_administrator');
  if (error.status === 413) return t('core.api.split_file');
  if (error.status === 404) return t('core.api.gone');
  // The message says when to try again.
  if (error.status === 429 && error.retryAfterSeconds) return '';
  if (error.status === 429 || error.status === 503) return t('core.api.wait');
  if (error.status >= 500) return t('core.api.look_into_log');
  return '';
}
