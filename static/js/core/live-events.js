// Events of the server about imports, products and webhooks. All tabs of the browser share one stream, because browsers
// open at most six connections to one HTTP/1.1 server, over all tabs together. Hidden tabs need no stream.

import { reconnected } from './connection.js';
import { createSignal } from './event-bus.js';
import { EventStream } from './event-stream.js';
import { sessionRenewed } from './session.js';
import { TabGroup } from './tab-group.js';

/** @import { Signal } from './event-bus.js' */
/** @import { StreamStatus } from './event-stream.js' */

/**
 * @typedef {object} TopicListener
 * @property {(data: unknown) => void} onEvent Something has changed. For an import, `data` is the job, or null if there
 *   is no such import. Hidden tabs get events, too, while another tab has a stream.
 * @property {() => void} [onCovered] From now on every change is reported; earlier ones may have been missed.
 */

/**
 * @typedef {object} TopicFollower
 * @property {(isWanted: boolean) => void} setWanted Whether the stream must report this topic. Events of a topic that
 *   only another tab wants arrive nevertheless.
 * @property {() => void} stop
 */

/** The events as one tab gets them. */
export class LiveEvents {
  /**
   * The tab has become visible.
   * @type {Signal<void>}
   */
  activated = createSignal();
  /**
   * The set of covered topics has changed, or the stream has failed or works again.
   * @type {Signal<void>}
   */
  statusChanged = createSignal();

  #isActive = true;
  /** @type {Map<string, Set<TopicListener & {isWanted: boolean}>>} */
  #followers = new Map();
  /** @type {Set<string>} */
  #covered = new Set();
  #isFailing = false;
  #stream = new EventStream({
    onEvent: (topic, data) => {
      this.#deliver(topic, data);
      this.#tabs.passOn(topic, data);
    },
    onStatus: (status) => {
      this.#accept(status);
      this.#tabs.report(status);
    },
  });
  #tabs = new TabGroup({
    onResign: () => this.#stream.close(),
    onTopics: (topics) => this.#stream.want(topics),
    onStatus: (status) => this.#accept(status),
    onEvent: (topic, data) => this.#deliver(topic, data),
  });

  /** Return whether the tab is visible. */
  get isActive() {
    return this.#isActive;
  }

  /** Return whether there is no stream because the server refused it or does not answer. */
  get isFailing() {
    return this.#isFailing;
  }

  /**
   * Return whether every change of a topic is reported.
   * @param {string} topic
   */
  isCovered(topic) {
    return this.#covered.has(topic);
  }

  /**
   * Follow a topic.
   * @param {string} topic
   * @param {TopicListener} listener
   * @returns {TopicFollower}
   */
  follow(topic, listener) {
    const follower = { ...listener, isWanted: true };
    const followers = this.#followers.get(topic) ?? new Set();
    this.#followers.set(topic, followers.add(follower));
    this.#update();
    return {
      setWanted: (isWanted) => {
        if (follower.isWanted === isWanted) return;
        follower.isWanted = isWanted;
        this.#update();
      },
      stop: () => {
        followers.delete(follower);
        if (!followers.size && this.#followers.get(topic) === followers) this.#followers.delete(topic);
        this.#update();
      },
    };
  }

  /**
   * Report whether the tab is visible.
   * @param {boolean} isActive
   */
  setActive(isActive) {
    if (this.#isActive === isActive) return;
    this.#isActive = isActive;
    this.#update();
    if (isActive) this.activated.emit();
  }

  /** Report that the tab is leaving the page. If the browser restores the page later, call `setActive`. */
  suspend() {
    this.#isActive = false;
    this.#tabs.disconnect();
  }

  /** Open a failed stream again now, instead of after its delay. */
  retry() {
    this.#stream.retry();
  }

  #update() {
    const topics = [...this.#followers].filter(([, followers]) => [...followers].some(({ isWanted }) => isWanted));
    if (this.#isActive && topics.length) this.#tabs.join(topics.map(([topic]) => topic));
    else this.#tabs.leave();
    // Hidden tabs listen, too.
    if (this.#followers.size) this.#tabs.connect();
    else this.#tabs.disconnect();
  }

  /**
   * @param {string} topic
   * @param {unknown} data
   */
  #deliver(topic, data) {
    for (const follower of [...(this.#followers.get(topic) ?? [])]) follower.onEvent(data);
  }

  /** @param {StreamStatus | null} status null: no tab has a stream */
  #accept(status) {
    const covered = new Set(status?.covered);
    const isFailing = status?.isFailing ?? false;
    const added = [...covered].filter((topic) => !this.#covered.has(topic));
    const isSame = !added.length && covered.size === this.#covered.size && isFailing === this.#isFailing;
    this.#covered = covered;
    this.#isFailing = isFailing;
    if (isSame) return;
    for (const topic of added) for (const { onCovered } of [...(this.#followers.get(topic) ?? [])]) onCovered?.();
    this.statusChanged.emit();
  }
}

/** The events of this tab. */
export const liveEvents = new LiveEvents();

/** Tell `liveEvents` when the tab is shown and hidden. */
export function installLiveEvents() {
  const update = () => liveEvents.setActive(document.visibilityState === 'visible');
  document.addEventListener('visibilitychange', update);
  window.addEventListener('pageshow', update);
  window.addEventListener('pagehide', () => liveEvents.suspend());
  reconnected.subscribe(() => liveEvents.retry());
  sessionRenewed.subscribe(() => liveEvents.retry());
  update();
}
