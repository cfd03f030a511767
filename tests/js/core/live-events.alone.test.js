import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { LiveEvents } from '../../../static/js/core/live-events.js';
import {
  ELECTION_MS,
  FakeBroadcastChannel,
  FakeEventSource,
  advance,
  installFakes,
  onlyStream,
  removeFakes,
  settle,
} from '../fakes.js';

/** How long a tab may take to notice that the leader is gone without a word. */
const LOST_MS = 8_000;

/** @type {{events: LiveEvents}[]} */
let tabs = [];

beforeEach(() => {
  installFakes();
  tabs = [];
});

afterEach(() => {
  tabs.forEach(({ events }) => events.suspend());
  removeFakes();
});

/**
 * Open a tab that follows topics and records what it gets.
 * @param {...string} topics
 */
function openTab(...topics) {
  const events = new LiveEvents();
  /** @type {unknown[]} */
  const received = [];
  /** @type {string[]} */
  const caughtUp = [];
  const followers = topics.map((topic) =>
    events.follow(topic, {
      onEvent: (data) => received.push(data ?? topic),
      onCovered: () => caughtUp.push(topic),
    }),
  );
  const tab = { events, received, caughtUp, followers };
  tabs.push(tab);
  return tab;
}

/** Wait for an election and let the stream that was opened be ready. */
async function elect() {
  await advance(ELECTION_MS);
  onlyStream().ready();
  await settle();
  return onlyStream();
}

/**
 * Behave as if the process of a tab had crashed: it ends without a word.
 * @param {number} index
 */
function crash(index) {
  const channel = [...FakeBroadcastChannel.connected][index];
  assert.ok(channel);
  channel.postMessage = () => {};
  tabs[index]?.events.suspend();
}

test('eight tabs share one stream, and all of them get its events', async () => {
  const opened = Array.from({ length: 8 }, () => openTab('products'));
  const stream = await elect();
  assert.equal(stream.url, '/api/events?products=true');
  stream.send('products');
  await settle();
  assert.deepEqual(
    opened.map(({ received }) => received),
    opened.map(() => ['products']),
  );
  assert.deepEqual(
    opened.map(({ caughtUp }) => caughtUp),
    opened.map(() => ['products']),
  );
});

test('the stream reports what any of the tabs wants', async () => {
  openTab('products', 'import:a');
  const second = openTab('webhooks', 'import:b');
  const stream = await elect();
  const query = new URL(stream.url, 'http://host').searchParams;
  assert.deepEqual([query.get('products'), query.get('webhooks')], ['true', 'true']);
  assert.deepEqual((query.get('imports') ?? '').split(',').sort(), ['a', 'b']);
  stream.send('import', { task_id: 'b', progress: 5 });
  stream.send('import', { task_id: 'a', progress: 6 });
  await settle();
  assert.deepEqual(second.received, [{ task_id: 'b', progress: 5 }]);
});

test('a topic is added without a gap', async () => {
  const first = openTab('products');
  const old = await elect();
  const second = openTab('import:a');
  await advance(ELECTION_MS);
  const [kept, added, ...others] = FakeEventSource.open();
  assert.equal(others.length, 0);
  assert.equal(kept, old);
  old.send('products');
  added?.ready();
  await settle();
  assert.equal(onlyStream(), added);
  // The server may have held back an event of the stream that was closed, so the first tab looks for changes again.
  assert.deepEqual(first.received, ['products', 'products']);
  assert.deepEqual(first.caughtUp, ['products']);
  assert.deepEqual(second.caughtUp, ['import:a']);
  // A topic that nobody wants any more is no reason for another stream, but the last one closes it.
  second.followers[0]?.stop();
  await advance(3_000);
  assert.equal(onlyStream(), added);
  first.followers[0]?.stop();
  await settle();
  assert.equal(FakeEventSource.open().length, 0);
});

test('a tab that joins later gets events at once, and catches up', async () => {
  openTab('products');
  const stream = await elect();
  const later = openTab('products');
  await settle();
  assert.deepEqual(later.caughtUp, ['products']);
  stream.send('products');
  await settle();
  assert.deepEqual(later.received, ['products']);
  await advance(10_000);
  assert.equal(FakeEventSource.opened.length, 1);
});

/** @type {[string, (tab: ReturnType<typeof openTab>) => void][]} */
const DEPARTURES = [
  ['is hidden', ({ events }) => events.setActive(false)],
  ['is closed', ({ events }) => events.suspend()],
  ['shows another screen', ({ followers }) => followers.forEach((follower) => follower.stop())],
];
for (const [name, depart] of DEPARTURES) {
  test(`another tab leads at once when the leader ${name}`, async () => {
    const leader = openTab('products');
    const stream = await elect();
    const second = openTab('products');
    await advance(1_000);
    depart(leader);
    await settle();
    assert.ok(stream.isClosed);
    assert.equal(second.events.isCovered('products'), false);
    (await elect()).send('products');
    assert.deepEqual(second.received, ['products']);
    assert.deepEqual(second.caughtUp, ['products', 'products']);
  });
}

test('another tab leads when the leader has crashed', async () => {
  openTab('products');
  await elect();
  const second = openTab('products');
  await settle();
  crash(0);
  await advance(LOST_MS);
  onlyStream().ready();
  assert.deepEqual(second.caughtUp, ['products', 'products']);
});

test('a crashed tab is forgotten', async () => {
  openTab('products');
  await elect();
  openTab('import:a');
  await advance(ELECTION_MS);
  FakeEventSource.open()[1]?.ready();
  await settle();
  crash(1);
  await advance(LOST_MS + 3_000);
  openTab('webhooks');
  await advance(ELECTION_MS);
  assert.equal(FakeEventSource.open()[1]?.url, '/api/events?products=true&webhooks=true');
});

test('two leaders agree on one of them', async () => {
  const first = openTab('products');
  await elect();
  // The second tab does not hear the first one for a while, as if its process stood still.
  const held = [...FakeBroadcastChannel.connected];
  FakeBroadcastChannel.connected.clear();
  const second = openTab('products');
  await advance(ELECTION_MS);
  assert.equal(FakeEventSource.open().length, 2);
  held.forEach((channel) => FakeBroadcastChannel.connected.add(channel));
  await advance(2_500);
  const stream = onlyStream();
  stream.ready();
  stream.send('products');
  await settle();
  assert.deepEqual([first.received, second.received], [['products'], ['products']]);
});

test('hidden tabs have no stream, and one that becomes visible catches up at once', async () => {
  const tab = openTab('products');
  let activations = 0;
  tab.events.activated.subscribe(() => {
    activations += 1;
  });
  await elect();
  tab.events.setActive(false);
  await advance(60_000);
  assert.equal(FakeEventSource.open().length, 0);
  tab.events.setActive(true);
  assert.equal(activations, 1);
  await elect();
  assert.deepEqual(tab.caughtUp, ['products', 'products']);
});

test('a hidden tab gets the events of a stream that another tab has', async () => {
  const hidden = openTab('import:a');
  hidden.events.setActive(false);
  openTab('import:a');
  (await elect()).send('import', { task_id: 'a' });
  await settle();
  assert.deepEqual(hidden.received, [{ task_id: 'a' }]);
});

test('a topic that is not wanted keeps no stream open', async () => {
  const tab = openTab('import:a');
  await elect();
  tab.followers[0]?.setWanted(false);
  await settle();
  assert.equal(FakeEventSource.open().length, 0);
  tab.followers[0]?.setWanted(true);
  await elect();
});

test('a page that comes back from the cache of pages opens its stream again', async () => {
  const tab = openTab('products');
  await elect();
  tab.events.suspend();
  assert.equal(FakeEventSource.open().length, 0);
  assert.equal(FakeBroadcastChannel.connected.size, 0);
  tab.events.setActive(true);
  await elect();
  assert.deepEqual(tab.caughtUp, ['products', 'products']);
});

test('a refused stream is tried again ever less often, and every tab knows', async () => {
  const opened = [openTab('products'), openTab('products')];
  await advance(ELECTION_MS);
  for (const delayMs of [2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
    onlyStream().fail();
    await settle();
    assert.deepEqual(
      opened.map(({ events }) => events.isFailing),
      [true, true],
    );
    await advance(delayMs - 100);
    assert.equal(FakeEventSource.open().length, 0);
    await advance(100);
  }
  onlyStream().fail();
  opened.forEach(({ events }) => events.retry());
  onlyStream().ready();
  await settle();
  assert.deepEqual(
    opened.map(({ events }) => [events.isFailing, events.isCovered('products')]),
    [
      [false, true],
      [false, true],
    ],
  );
});

test('a stream whose first event does not arrive is closed: a proxy may hold it back', async () => {
  const tab = openTab('products');
  await advance(ELECTION_MS + 12_500);
  assert.equal(FakeEventSource.open().length, 0);
  assert.equal(tab.events.isFailing, true);
  assert.equal(tab.events.isCovered('products'), false);
});

test('a stream that is silent for too long is opened again', async () => {
  const tab = openTab('products');
  const stream = await elect();
  for (let pings = 0; pings < 10; pings += 1) {
    await advance(5_000);
    stream.send('ping');
  }
  assert.equal(onlyStream(), stream);
  await advance(17_500);
  assert.ok(stream.isClosed);
  await advance(2_500);
  onlyStream().ready();
  assert.deepEqual(tab.caughtUp, ['products', 'products']);
});

test('a topic that cannot be added leaves the others covered', async () => {
  const tab = openTab('products');
  const stream = await elect();
  tab.events.follow('import:a', { onEvent: () => {} });
  await advance(ELECTION_MS);
  FakeEventSource.open()[1]?.fail();
  assert.equal(onlyStream(), stream);
  assert.equal(tab.events.isFailing, false);
  assert.deepEqual([tab.events.isCovered('products'), tab.events.isCovered('import:a')], [true, false]);
});

test('unknown imports and events that are no JSON are told apart', async () => {
  const tab = openTab('import:a', 'import:b');
  await advance(ELECTION_MS);
  onlyStream().ready(['a']);
  onlyStream().sendText('import', '{"task_id": "b", "pro');
  assert.deepEqual(tab.received, ['import:a']);
});

test('a stream follows at most 50 imports, the latest ones', async () => {
  openTab(...Array.from({ length: 60 }, (_, index) => `import:${index}`), 'products');
  const { url } = await elect();
  assert.equal(new URL(url, 'http://host').searchParams.get('imports')?.split(',').length, 50);
  assert.match(url, /,59$/);
});

test('without channels every tab has a stream of its own', async () => {
  Object.assign(globalThis, { BroadcastChannel: undefined });
  const opened = [openTab('products'), openTab('products')];
  await advance(ELECTION_MS);
  assert.equal(FakeEventSource.open().length, 2);
  FakeEventSource.open().forEach((source) => source.ready());
  assert.deepEqual(
    opened.map(({ caughtUp }) => caughtUp),
    [['products'], ['products']],
  );
});

test('tabs elect one leader, however many start at once', async () => {
  for (let round = 0; round < 20; round += 1) {
    openTab('products');
    openTab('products');
    await advance(ELECTION_MS);
    assert.equal(FakeEventSource.open().length, 1);
    tabs.splice(0).forEach(({ events }) => events.suspend());
    assert.equal(FakeEventSource.open().length, 0);
  }
});
