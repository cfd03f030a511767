// Send a file with the protocol tus 1.0. After an interruption, the transfer goes on by itself where it stopped.

import { unattendedHeader } from '../core/attendance.js';
import { ApiError, readAnswer } from '../core/api.js';
import { t } from '../core/i18n.js';

/** @import { DetailedError, FileReader, HttpRequest } from '../../vendor/tus-js-client.js' */
/** @import { HttpResponse, Upload as Client } from '../../vendor/tus-js-client.js' */

const ENDPOINT = '/api/uploads';
/** How long to wait before each attempt after an interruption. The server may need minutes to start again. */
const RETRY_DELAYS_MS = [300, 1000, 2000, 3000, ...Array.from({ length: 120 }, () => 5000)];
/** 0 stands for a broken connection. */
const PASSING_STATUSES = new Set([0, 408, 423, 500, 502, 503, 504]);

/** Codes of errors that the page itself finds: the file cannot be read any more, or the library cannot be loaded. */
export const FILE_CHANGED = 'file_changed';
export const LIBRARY_MISSING = 'library_missing';

/**
 * What happens to a transfer. No event follows `onDone` and `onFailed`, or a call of `stop` or `cancel`.
 * @typedef {object} TransferEvents
 * @property {(url: string) => void} onCreated The server knows the upload by this address.
 * @property {(loaded: number) => void} onProgress so many bytes of the file were sent
 * @property {() => void} onInterrupted The next attempt follows by itself.
 * @property {(taskId: string) => void} onDone The file is stored, and its import has this id.
 * @property {(error: unknown) => void} onFailed an `ApiError`, or what else was thrown
 */

/**
 * @typedef {object} Transfer
 * @property {() => void} stop what was sent stays on the server
 * @property {() => void} cancel what was sent is removed from the server
 */

/**
 * Opens a file for the library. Chromium sends a whole file in two thirds of the time that a slice of it takes.
 * @type {FileReader}
 */
const FILE_READER = {
  openFile: (file) =>
    Promise.resolve({
      size: file.size,
      slice: (start, end) => {
        const isWhole = start === 0 && end >= file.size;
        return Promise.resolve({ value: isWhole ? file : file.slice(start, end), done: end >= file.size });
      },
      close: () => {},
    }),
};

/** Load the library, so that the first upload does not wait for it. */
export const loadTransferLibrary = () => import('../../vendor/tus-js-client.js');

/**
 * Start to send a file.
 * @param {File} file
 * @param {object} upload
 * @param {Record<string, string>} upload.fields the options of the import
 * @param {string} upload.url of an upload that goes on, "" for a new one
 * @param {TransferEvents} events
 * @returns {Transfer}
 */
export function startTransfer(file, { fields, url }, events) {
  let hasEnded = false;
  /** @type {Client | null} */
  let client = null;
  /** Call the rest only if the transfer has not ended. @param {() => void} run */
  const end = (run) => {
    if (hasEnded) return;
    hasEnded = true;
    run();
  };
  /** @param {unknown} error */
  const fail = (error) => end(() => events.onFailed(error));
  const checkFile = async () => {
    try {
      await file.slice(0, 1).arrayBuffer();
    } catch {
      // No attempt can succeed with a file that was changed on disk.
      if (hasEnded) return;
      client?.abort();
      fail(new ApiError(0, { error: t('imports.upload.changed'), code: FILE_CHANGED }));
    }
  };
  const start = async () => {
    const { Upload } = await loadTransferLibrary().catch(() => {
      throw new ApiError(0, { error: t('core.part.missing'), code: LIBRARY_MISSING });
    });
    if (hasEnded) return;
    client = new Upload(file, {
      ...(url ? { uploadUrl: url } : { endpoint: ENDPOINT }),
      metadata: { filename: file.name, ...fields },
      headers: { Accept: 'application/json' },
      retryDelays: RETRY_DELAYS_MS,
      storeFingerprintForResuming: false,
      fileReader: FILE_READER,
      onBeforeRequest: markUnattended,
      onUploadUrlAvailable: () => {
        if (hasEnded || !client?.url) return;
        // With an endpoint, the library would begin again if the server cannot tell the offset for a while.
        client.options.endpoint = undefined;
        events.onCreated(new URL(client.url, window.location.href).pathname);
      },
      onProgress: (loaded) => {
        if (!hasEnded) events.onProgress(loaded);
      },
      onShouldRetry: (error) => {
        const isPassing = !hasEnded && isInterruption(error);
        if (isPassing) {
          events.onInterrupted();
          checkFile();
        }
        return isPassing;
      },
      onSuccess: ({ lastResponse }) => {
        const address = lastResponse.getHeader('Location') ?? client?.url ?? '';
        end(() => events.onDone(address.split('/').at(-1) ?? ''));
      },
      onError: (error) => fail(errorOf(error)),
    });
    client.start();
  };
  start().catch(fail);
  /** @param {boolean} shouldTerminate */
  const abort = (shouldTerminate) => end(() => client?.abort(shouldTerminate).catch(() => {}));
  return { stop: () => abort(false), cancel: () => abort(true) };
}

/**
 * Remove an upload that nothing sends from the server. If that fails, the server removes it after a day.
 * @param {string} url
 */
export async function removeFromServer(url) {
  try {
    const { Upload } = await loadTransferLibrary();
    await Upload.terminate(url, { onBeforeRequest: markUnattended });
  } catch {
    // Without the library or the server, the upload expires.
  }
}

/**
 * Ask the server how much of an upload has arrived.
 * @param {string} url
 * @returns {Promise<number | null>} bytes; null if there is nothing that can go on
 * @throws {ApiError|TypeError} if the server cannot tell now
 */
export async function fetchOffset(url) {
  const headers = { 'Tus-Resumable': '1.0.0', ...unattendedHeader() };
  const response = await fetch(url, { method: 'HEAD', headers, cache: 'no-store' });
  if (response.status >= 500) throw new ApiError(response.status);
  // A finished upload has the address of its import.
  return response.ok && !response.headers.has('Location') ? Number(response.headers.get('Upload-Offset')) : null;
}

/** @param {HttpRequest} request */
function markUnattended(request) {
  for (const [name, value] of Object.entries(unattendedHeader() ?? {})) request.setHeader(name, value);
}

/**
 * Return whether the next attempt may succeed. A conflict says that an earlier request of the upload has not ended yet,
 * but for its creation.
 * @param {DetailedError} error
 */
const isInterruption = (error) =>
  PASSING_STATUSES.has(statusOf(error)) || (statusOf(error) === 409 && error.originalRequest.getMethod() !== 'POST');

/** @param {DetailedError} error */
const statusOf = (error) => error.originalResponse?.getStatus() ?? 0;

/**
 * Return the error of the server's answer; one with the status 0 if the connection broke.
 * @param {Error | DetailedError} error
 * @returns {unknown}
 */
function errorOf(error) {
  if (!('originalRequest' in error)) return error;
  const answered = readRefusal(error.originalResponse);
  if (answered instanceof ApiError) return answered;
  // A server that refuses a large request may also close the connection before it answers, which looks the same.
  return new ApiError(0, { error: t('imports.upload.broken'), fields: { file: [t('imports.upload.broken_hint')] } });
}

/**
 * @param {HttpResponse | null} response
 * @returns {unknown} what the refusal throws; undefined if there is none
 */
function readRefusal(response) {
  if (!response?.getStatus()) return undefined;
  try {
    return readAnswer(response.getStatus(), response.getBody(), response.getHeader('Retry-After') ?? null);
  } catch (error) {
    return error;
  }
}
