// The stream of events that the leading tab opens. If more topics are wanted, it opens another stream and closes the
// first one only when the other is ready, so that no change is missed.

/** @import { ImportJob } from './types.d.ts' */

/**
 * The topics that the stream reports, and whether it is closed because the server refused it or did not answer.
 * @typedef {{covered: string[], isFailing: boolean}} StreamStatus
 */

/** @typedef {{source: EventSource, topics: Set<string>, openedAt: number, heardAt: number}} Connection */

export const PRODUCTS_TOPIC = 'products';
export const WEBHOOKS_TOPIC = 'webhooks';
export const JOBS_TOPIC = 'jobs';
/** The topics that are not an import; each is also the name of its event and of its parameter. */
const CHANGE_TOPICS = [PRODUCTS_TOPIC, WEBHOOKS_TOPIC, JOBS_TOPIC];
const IMPORT_PREFIX = 'import:';
/** The server follows at most this many imports in one stream. */
const MAX_IMPORTS = 50;

/** Navigation changes several topics in turn, so wait for all of them. */
const GATHER_MS = 50;
const RETRY_MS = 2_000;
const SLOWEST_RETRY_MS = 30_000;
const CHECK_MS = 2_500;
/** How long the first event may take. If it takes longer, a proxy holds the events back. */
const READY_MS = 10_000;
/** How long a stream may be silent. The server sends an event at least every 5 seconds. */
const SILENCE_MS = 15_000;

/**
 * Return the topic of an import.
 * @param {string} taskId
 */
export const importTopic = (taskId) => `${IMPORT_PREFIX}${taskId}`;

/** The stream of the leading tab. It opens a new connection if other topics are wanted, and after errors. */
export class EventStream {
  /** @type {Set<string>} */
  #wanted = new Set();
  /** @type {Connection | null} */
  #current = null;
  /** @type {Connection | null} */
  #next = null;
  #failures = 0;
  #openTimer = 0;
  #retryTimer = 0;
  #checkTimer = 0;

  /**
   * @param {object} listener
   * @param {(topic: string, data: unknown) => void} listener.onEvent Something has changed. For an import, `data` is
   *   the job, or null if there is no such import.
   * @param {(status: StreamStatus) => void} listener.onStatus
   */
  constructor({ onEvent, onStatus }) {
    this.onEvent = onEvent;
    this.onStatus = onStatus;
  }

  /**
   * Set the topics that the stream must report; without any, it is closed.
   * @param {Set<string>} topics
   */
  want(topics) {
    this.#wanted = limitImports(topics);
    if (!this.#wanted.size) return this.close();
    this.#checkTimer ||= setInterval(() => this.#check(), CHECK_MS);
    this.#openTimer ||= setTimeout(() => {
      this.#openTimer = 0;
      this.#openIfNeeded();
    }, GATHER_MS);
    return undefined;
  }

  /** Try again at once instead of after the current delay. */
  retry() {
    if (!this.#retryTimer) return;
    this.#failures = 0;
    this.#stopRetry();
    this.#openIfNeeded();
  }

  close() {
    const wasOpen = this.#current || this.#failures;
    this.#current?.source.close();
    this.#next?.source.close();
    this.#current = null;
    this.#next = null;
    this.#failures = 0;
    this.#stopRetry();
    clearTimeout(this.#openTimer);
    clearInterval(this.#checkTimer);
    this.#openTimer = 0;
    this.#checkTimer = 0;
    if (wasOpen) this.#report();
  }

  #openIfNeeded() {
    if (this.#retryTimer || !this.#wanted.size) return;
    // Topics that nobody wants any more do no harm; they are left out when the stream is opened for another reason.
    if (isCoveredBy(this.#wanted, this.#current) || isCoveredBy(this.#wanted, this.#next)) return;
    this.#next?.source.close();
    this.#next = this.#open(new Set(this.#wanted));
  }

  /**
   * @param {Set<string>} topics
   * @returns {Connection}
   */
  #open(topics) {
    const source = new EventSource(addressOf(topics));
    const now = Date.now();
    const connection = { source, topics, openedAt: now, heardAt: now };
    /**
     * @param {string} name
     * @param {(data: any) => void} handle
     */
    const on = (name, handle) =>
      source.addEventListener(name, (event) => {
        connection.heardAt = Date.now();
        const data = parse(event.data);
        if (data) handle(data);
      });
    on('ready', ({ missing }) => {
      this.#use(connection);
      for (const taskId of missing) this.onEvent(importTopic(taskId), null);
    });
    on('import', (job) => this.onEvent(importTopic(job.task_id), job));
    for (const topic of CHANGE_TOPICS) on(topic, () => this.onEvent(topic, null));
    on('ping', () => {});
    source.addEventListener('error', () => this.#fail(connection));
    return connection;
  }

  /** @param {Connection} connection the one that is ready */
  #use(connection) {
    if (this.#next !== connection) return;
    const before = this.#current;
    before?.source.close();
    this.#current = connection;
    this.#next = null;
    this.#failures = 0;
    this.#report();
    // The server holds an event back for up to a second after the one before. It is lost if the stream is closed then.
    for (const topic of CHANGE_TOPICS) {
      if (before?.topics.has(topic) && connection.topics.has(topic)) this.onEvent(topic, null);
    }
    this.#openIfNeeded();
  }

  /**
   * Close a connection and try again later. Browsers reopen a stream by themselves, but not one that was refused.
   * @param {Connection} connection
   */
  #fail(connection) {
    connection.source.close();
    if (this.#current === connection) this.#current = null;
    else if (this.#next === connection) this.#next = null;
    else return;
    this.#failures += 1;
    this.#stopRetry();
    this.#retryTimer = setTimeout(
      () => {
        this.#retryTimer = 0;
        this.#openIfNeeded();
      },
      Math.min(SLOWEST_RETRY_MS, RETRY_MS * 2 ** (this.#failures - 1)),
    );
    this.#report();
  }

  #stopRetry() {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = 0;
  }

  #check() {
    const now = Date.now();
    if (this.#next && now - this.#next.openedAt > READY_MS) this.#fail(this.#next);
    if (this.#current && now - this.#current.heardAt > SILENCE_MS) this.#fail(this.#current);
  }

  #report() {
    this.onStatus({ covered: [...(this.#current?.topics ?? [])], isFailing: !this.#current && this.#failures > 0 });
  }
}

/**
 * @param {Set<string>} topics
 * @param {Connection | null} connection
 */
const isCoveredBy = (topics, connection) =>
  connection !== null && [...topics].every((topic) => connection.topics.has(topic));

/** @param {Set<string>} topics */
function limitImports(topics) {
  const imports = [...topics].filter(isImport).slice(-MAX_IMPORTS);
  return new Set([...imports, ...[...topics].filter((topic) => !isImport(topic))]);
}

/** @param {string} topic */
const isImport = (topic) => topic.startsWith(IMPORT_PREFIX);

/** @param {Set<string>} topics */
function addressOf(topics) {
  const imports = [...topics].filter(isImport).map((topic) => topic.slice(IMPORT_PREFIX.length));
  const query = CHANGE_TOPICS.filter((topic) => topics.has(topic)).map((topic) => `${topic}=true`);
  if (imports.length) query.push(`imports=${imports.map(encodeURIComponent).join(',')}`);
  return `/api/events?${query.join('&')}`;
}

/**
 * @param {string} text
 * @returns {any} null if it is not JSON
 */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
