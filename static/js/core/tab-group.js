// The tabs of one browser that share a stream. One of them, the leader, opens it and passes its events to the others.
//
// Only active tabs take part in the election: those that are visible and want events. Browsers slow hidden tabs down,
// freeze or discard them, so a leader resigns when its tab is hidden. A leader that crashes or hangs sends no more
// heartbeats, and another tab leads. Web Locks would elect a leader without heartbeats, but they need https or
// localhost. A shared worker would need no leader, but not every browser has it.

/** @import { StreamStatus } from './event-stream.js' */

/**
 * What a tab sends to the others. `want`: the topics that an active tab wants. `bye`: the tab is no longer active.
 * `lead`: the heartbeat of the leader; `since` is when it became the leader. `event`: an event of the stream.
 * @typedef {{kind: 'want', topics: string[]}
 *   | {kind: 'bye'}
 *   | {kind: 'lead', since: number, status: StreamStatus}
 *   | {kind: 'event', topic: string, data: unknown}} Message
 */

/**
 * @typedef {object} TabGroupListener
 * @property {() => void} onResign This tab does not lead any more.
 * @property {(topics: Set<string>) => void} onTopics While this tab leads: what all active tabs want together.
 * @property {(status: StreamStatus | null) => void} onStatus The leader reports its stream; null if there is no leader.
 * @property {(topic: string, data: unknown) => void} onEvent The leader passes an event on.
 */

/** Increase the number when the messages change, so that tabs with different versions of the page ignore each other. */
const CHANNEL = 'live-events-1';
const HEARTBEAT_MS = 2_000;
/** How long a leader, or a tab that wants something, may be silent before it counts as gone. */
const LOST_MS = 7_000;
/** How long a leader may take to answer a tab that has become active. */
const ANSWER_MS = 1_000;
/** Without a leader, each tab waits for a random time before it leads, so two tabs rarely become leaders at once. */
const ELECTION_MS = 150;
const ELECTION_SPREAD_MS = 150;

/** @type {StreamStatus} */
const NO_STATUS = { covered: [], isFailing: false };

/** This tab as a member of the group. */
export class TabGroup {
  /** @type {'inactive' | 'candidate' | 'follower' | 'leader'} */
  #role = 'inactive';
  #id = `${Math.random().toString(36).slice(2)}${Date.now().toString(36)}`;
  /** @type {string | null} */
  #leader = null;
  /** @type {string[]} */
  #topics = [];
  #leadsSince = 0;
  #status = NO_STATUS;
  /**
   * The other active tabs, as the leader knows them.
   * @type {Map<string, {topics: string[], seenAt: number}>}
   */
  #members = new Map();
  /** @type {BroadcastChannel | null} */
  #channel = null;
  #electionTimer = 0;
  #heartbeatTimer = 0;

  /** @param {TabGroupListener} listener */
  constructor(listener) {
    this.listener = listener;
  }

  /** Listen to the others, without being active. */
  connect() {
    // Old browsers have no channels. There each active tab leads only itself.
    if (this.#channel || typeof BroadcastChannel === 'undefined') return;
    this.#channel = new BroadcastChannel(CHANNEL);
    this.#channel.onmessage = ({ data }) => this.#onMessage(data);
  }

  /** Leave the group. A page with an open channel may be kept out of the back/forward cache. */
  disconnect() {
    this.leave();
    this.#channel?.close();
    this.#channel = null;
    this.#leader = null;
  }

  /**
   * Become active and want these topics; an active tab replaces those that it wanted before.
   * @param {string[]} topics
   */
  join(topics) {
    this.connect();
    this.#topics = topics;
    if (this.#role === 'leader') return this.#reportTopics();
    if (this.#role === 'inactive') {
      this.#role = this.#leader ? 'follower' : 'candidate';
      this.#elect(this.#leader ? ANSWER_MS : this.#electionDelayMs());
    }
    return this.#send({ kind: 'want', topics });
  }

  /** Stop being active. */
  leave() {
    if (this.#role === 'inactive') return;
    const wasLeader = this.#role === 'leader';
    this.#role = 'inactive';
    clearTimeout(this.#electionTimer);
    if (wasLeader) this.#resign();
    this.#send({ kind: 'bye' });
  }

  /**
   * As the leader, report the state of the stream to the others.
   * @param {StreamStatus} status
   */
  report(status) {
    this.#status = status;
    if (this.#role === 'leader') this.#send({ kind: 'lead', since: this.#leadsSince, status });
  }

  /**
   * As the leader, pass an event on to the others.
   * @param {string} topic
   * @param {unknown} data
   */
  passOn(topic, data) {
    this.#send({ kind: 'event', topic, data });
  }

  /** @param {Message & {from: string}} message */
  #onMessage(message) {
    const { from } = message;
    switch (message.kind) {
      case 'want':
        return this.#onWant(from, message.topics);
      case 'bye':
        return this.#onBye(from);
      case 'lead':
        return this.#onLead(message);
      case 'event':
        return this.#role === 'leader' ? undefined : this.listener.onEvent(message.topic, message.data);
      default:
        return undefined;
    }
  }

  /**
   * @param {string} from
   * @param {string[]} topics
   */
  #onWant(from, topics) {
    if (this.#role !== 'leader') return;
    const isNew = !this.#members.has(from);
    this.#members.set(from, { topics, seenAt: Date.now() });
    if (isNew) this.report(this.#status);
    this.#reportTopics();
  }

  /** @param {string} from */
  #onBye(from) {
    if (this.#role === 'leader') {
      if (this.#members.delete(from)) this.#reportTopics();
      return;
    }
    if (this.#leader !== from) return;
    this.#loseLeader();
    if (this.#role !== 'inactive') this.#elect(this.#electionDelayMs());
  }

  /** @param {{from: string, since: number, status: StreamStatus}} message */
  #onLead({ from, since, status }) {
    if (this.#role === 'leader') {
      // Two tabs lead, because one was too busy to answer the other. The one that has led for longer stays the leader.
      if (this.#leadsSince < since || (this.#leadsSince === since && this.#id < from)) return this.report(this.#status);
      this.#role = 'follower';
      this.#resign();
    }
    this.#leader = from;
    this.listener.onStatus(status);
    if (this.#role === 'inactive') return undefined;
    this.#role = 'follower';
    this.#elect(LOST_MS);
    return this.#send({ kind: 'want', topics: this.#topics });
  }

  /**
   * Lead, unless a leader sends a heartbeat within this time.
   * @param {number} delayMs
   */
  #elect(delayMs) {
    clearTimeout(this.#electionTimer);
    this.#electionTimer = setTimeout(() => {
      this.#loseLeader();
      this.#lead();
    }, delayMs);
  }

  #electionDelayMs() {
    return ELECTION_MS + Math.random() * ELECTION_SPREAD_MS;
  }

  #loseLeader() {
    if (!this.#leader) return;
    this.#leader = null;
    if (this.#role !== 'inactive') this.#role = 'candidate';
    this.listener.onStatus(null);
  }

  #lead() {
    this.#role = 'leader';
    this.#leadsSince = Date.now();
    this.#status = NO_STATUS;
    this.#heartbeatTimer = setInterval(() => this.#beat(), HEARTBEAT_MS);
    this.report(this.#status);
    this.#reportTopics();
  }

  #resign() {
    clearInterval(this.#heartbeatTimer);
    this.#members.clear();
    this.listener.onResign();
  }

  #beat() {
    const oldest = Date.now() - LOST_MS;
    for (const [id, { seenAt }] of this.#members) if (seenAt < oldest) this.#members.delete(id);
    this.#reportTopics();
    this.report(this.#status);
  }

  #reportTopics() {
    this.listener.onTopics(new Set([this.#topics, ...[...this.#members.values()].map(({ topics }) => topics)].flat()));
  }

  /** @param {Message} message */
  #send(message) {
    this.#channel?.postMessage({ ...message, from: this.#id });
  }
}
