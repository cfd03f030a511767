// Replacements for what the browser offers: streams, channels between tabs, and requests.

import { mock } from 'node:test';

/** @typedef {(event: {data: string}) => void} Listener */

/** A stream whose events the test sends. */
export class FakeEventSource {
  /** @type {FakeEventSource[]} */
  static opened = [];

  /** Return the streams that are open. */
  static open() {
    return FakeEventSource.opened.filter((source) => !source.isClosed);
  }

  isClosed = false;
  /** @type {Map<string, Listener[]>} */
  #listeners = new Map();

  /** @param {string} url */
  constructor(url) {
    this.url = url;
    FakeEventSource.opened.push(this);
  }

  /**
   * @param {string} name
   * @param {Listener} listener
   */
  addEventListener(name, listener) {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
  }

  /**
   * Send an event as the server does.
   * @param {string} name
   * @param {unknown} data
   */
  send(name, data = {}) {
    this.sendText(name, JSON.stringify(data));
  }

  /**
   * @param {string} name
   * @param {string} data
   */
  sendText(name, data) {
    if (!this.isClosed) this.#listeners.get(name)?.forEach((listener) => listener({ data }));
  }

  /** @param {string[]} missing */
  ready(missing = []) {
    this.send('ready', { missing });
  }

  /** Behave as if the server had refused the stream, or as if the connection had broken. */
  fail() {
    this.send('error');
  }

  close() {
    this.isClosed = true;
  }
}

/** The storage of a browser. */
export class FakeStorage {
  /** @type {Record<string, string>} the items are properties of their own, as in a browser */
  #items = /** @type {any} */ (this);

  /** @param {string} key */
  getItem(key) {
    return Object.hasOwn(this, key) ? this.#items[key] : null;
  }

  /**
   * @param {string} key
   * @param {string} value
   */
  setItem(key, value) {
    this.#items[key] = value;
  }

  /** @param {string} key */
  removeItem(key) {
    delete this.#items[key];
  }
}

/** A channel between the tabs of a test. Messages arrive a turn later. */
export class FakeBroadcastChannel {
  /** @type {Set<FakeBroadcastChannel>} */
  static connected = new Set();

  /** @type {(event: {data: unknown}) => void} */
  onmessage = () => {};

  constructor() {
    FakeBroadcastChannel.connected.add(this);
  }

  /** @param {unknown} message */
  postMessage(message) {
    const data = structuredClone(message);
    const others = [...FakeBroadcastChannel.connected].filter((channel) => channel !== this);
    queueMicrotask(() => {
      for (const other of others) if (FakeBroadcastChannel.connected.has(other)) other.onmessage({ data });
    });
  }

  close() {
    FakeBroadcastChannel.connected.delete(this);
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
  return { status, headers: new Headers(), text: () => Promise.resolve(JSON.stringify(body)) };
}

/** Replace the browser's objects, and stop the clock. */
export function installFakes() {
  FakeEventSource.opened = [];
  FakeBroadcastChannel.connected.clear();
  server.requests = [];
  server.answer = () => ({ status: 200, body: {} });
  Object.assign(globalThis, {
    EventSource: FakeEventSource,
    BroadcastChannel: FakeBroadcastChannel,
    fetch: fakeFetch,
  });
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
  await settle();
  for (let passed = 0; passed < milliseconds; passed += 100) {
    mock.timers.tick(100);
    await settle();
  }
}

/** How long a tab without others takes at most until it opens a stream. */
export const ELECTION_MS = 500;

/** Return the only open stream. */
export function onlyStream() {
  const [source, ...others] = FakeEventSource.open();
  if (!source || others.length) throw new Error(`${FakeEventSource.open().length} streams are open`);
  return source;
}
