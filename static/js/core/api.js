// Calls the REST API and turns every failure into one of two errors.

import { reportReachable, reportUnreachable } from './connection.js';

const TIMEOUT_MS = 30_000;
const GATEWAY_STATUSES = new Set([502, 503, 504]);

/** The server answered with an error; `message` is its sentence. */
export class ApiError extends Error {
  constructor(status, body) {
    super(body?.error || `The server answered with an error (${status}).`);
    this.name = 'ApiError';
    this.status = status;
    this.code = body?.code ?? 'unknown';
    this.fields = body?.fields ?? {};
  }
}

/** No answer came. */
export class NetworkError extends Error {
  constructor() {
    super('The server cannot be reached.');
    this.name = 'NetworkError';
  }
}

/**
 * Reads the JSON of a GET.
 * @param {string} path beginning with /api
 * @param {object} [options]
 * @param {object} [options.query] parameters; empty ones are left out
 * @param {AbortSignal} [options.signal]
 * @returns {Promise<any>}
 * @throws {ApiError|NetworkError|DOMException} DOMException "AbortError" when the signal ended it
 */
export function getJson(path, { query, signal } = {}) {
  return call(path + queryString(query), { headers: { Accept: 'application/json' } }, signal, TIMEOUT_MS);
}

/**
 * Sends a POST, PUT or DELETE and reads the JSON of its answer.
 * @param {'POST'|'PUT'|'DELETE'} method
 * @param {string} path beginning with /api
 * @param {object} [options]
 * @param {object} [options.body] sent as JSON
 * @param {string} [options.ifMatch] an ETag: without it the last writer wins
 * @param {boolean} [options.keepalive] lets the request outlive the page
 * @param {number} [options.timeoutMs]
 * @returns {Promise<any>}
 * @throws {ApiError|NetworkError} NetworkError also when it is unknown whether the request arrived
 */
export function sendJson(method, path, { body, ifMatch, keepalive = false, timeoutMs = TIMEOUT_MS } = {}) {
  const headers = { Accept: 'application/json' };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (ifMatch) headers['If-Match'] = ifMatch;
  const request = { method, headers, keepalive, body: body === undefined ? undefined : JSON.stringify(body) };
  return call(path, request, undefined, timeoutMs);
}

/** @param {{updated_at: string}} product @returns {string} its ETag, as the server makes it */
export const etagOf = (product) => `"${product.updated_at}"`;

async function call(address, request, signal, timeoutMs) {
  const timeout = AbortSignal.timeout(timeoutMs);
  let answer;
  let text;
  try {
    answer = await fetch(address, { ...request, cache: 'no-store', signal: signal ? AbortSignal.any([signal, timeout]) : timeout });
    text = await answer.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    reportUnreachable();
    throw new NetworkError();
  }
  return readAnswer(answer.status, text);
}

/**
 * Takes an answer apart; also used for uploads, which need XMLHttpRequest.
 * @param {number} status
 * @param {string} text
 */
export function readAnswer(status, text) {
  const body = parseJson(text);
  if (body === undefined && GATEWAY_STATUSES.has(status)) {
    // A proxy answered in the server's place.
    reportUnreachable();
    throw new NetworkError();
  }
  reportReachable();
  if (status < 200 || status > 299) throw new ApiError(status, body);
  if (body === undefined) throw new ApiError(status, { error: 'The server’s answer could not be read.', code: 'bad_answer' });
  return body;
}

function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @param {object} [query] parameters; empty ones are left out @returns {string} "" or "?…" */
export function queryString(query = {}) {
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  return pairs.length ? `?${new URLSearchParams(pairs)}` : '';
}

/**
 * What a person can do about an error.
 * @param {Error} error
 * @returns {string} a sentence
 */
export function nextStep(error) {
  if (error instanceof NetworkError) return 'Check that the server is running, then try again.';
  const fieldTexts = Object.values(error.fields ?? {}).flat().filter((text) => text !== error.message);
  if (fieldTexts.length) return fieldTexts.join(' ');
  if (error.status === 413) return 'Compress the file (.csv.gz) or split it into smaller ones.';
  if (error.status === 404) return 'It may have been removed. Go back and choose another one.';
  if (error.status === 429 || error.status === 503) return 'Wait a moment, then try again.';
  if (error.status >= 500) return 'Try again. If it stays, the server’s log has the cause.';
  return '';
}
