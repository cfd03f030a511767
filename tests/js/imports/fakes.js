// Replacements for what the browser offers: streams, requests and Web Locks.

import { mock } from 'node:test';

/** A stream whose events the test sends. */
export class FakeEventSource {
  static CONNECTING = 0;
  static CLOSED = 2;

  /** @type {FakeEventSource[]} */
  static opened = [];

  /** Return the streams that are open. */
  static open() {
    return FakeEventSource.opened.filter((source) => source.readyState !== FakeEventSource.CLOSED);
  }

  readyState = FakeEventSource.CONNECTING;
  /** @type {(event: {data: string}) => void} */
  onmessage = () => {};
  onerror = () => {};

  /** @param {string} url */
  constructor(url) {
    this.url = url;
    FakeEventSource.opened.push(this);
  }

  /** @param {unknown} data */
  send(data) {
    this.onmessage({ data: JSON.stringify(data) });
  }

  /** Behave as if the server had refused the stream. */
  refuse() {
    this.readyState = FakeEventSource.CLOSED;
    this.onerror();
  }

  close() {
    this.readyState = FakeEventSource.CLOSED;
  }
}

/** The paths that were requested, and the function that answers them. */
export const server = {
  /** @type {string[]} */
  requests: [],
  /** @type {(path: string) => {status: number, body: unknown} | Promise<{status: number, body: unknown}>} */
  answer: () => ({ status: 200, body: {} }),
};

/** @param {string} path */
async function fakeFetch(path) {
  server.requests.push(path);
  const { status, body } = await server.answer(path);
  return { status, text: () => Promise.resolve(JSON.stringify(body)) };
}

/** Replace the browser's objects, and stop the clock. */
export function installFakes() {
  FakeEventSource.opened = [];
  server.requests = [];
  server.answer = () => ({ status: 200, body: {} });
  Object.assign(globalThis, { EventSource: FakeEventSource, fetch: fakeFetch });
  // Without `locks`, as on a page that was not loaded over https.
  Object.defineProperty(globalThis, 'navigator', { configurable: true, value: {} });
  mock.timers.enable({ apis: ['setInterval', 'setTimeout', 'Date'], now: Date.UTC(2026, 10, 24) });
}

export function removeFakes() {
  mock.timers.reset();
}

/** Run everything that waits for a promise, but nothing that waits for a timer. */
export async function settle() {
  for (let turn = 0; turn < 50; turn += 1) await null;
}

/**
 * Advance the clock in steps, so that timers that are set meanwhile run, too.
 * @param {number} milliseconds a multiple of 100
 */
export async function advance(milliseconds) {
  for (let passed = 0; passed < milliseconds; passed += 100) {
    mock.timers.tick(100);
    await settle();
  }
}
