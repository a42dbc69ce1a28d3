// An API server that pauses, forgets, refuses and overloads, with traffic running: no request fails, the state comes
// right afterwards, and writes stay few. The faults happen in the gate, so they happen in front of a real server as well.

import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ask } from '../harness/ask.ts';
import { type Pod, startPod } from '../harness/pods.ts';
import { publishedAddress, type Replica, Scene } from '../harness/scene.ts';
import { SteadyLoad } from '../harness/steady-load.ts';
import { until } from '../harness/wait.ts';
import { ingressYaml, serviceYaml, sliceYaml } from '../harness/web.ts';

/** Of the 60 s that the story has, this many: E2E_PAUSE_SECONDS=60 takes them all. */
const pauseSeconds = Number(process.env['E2E_PAUSE_SECONDS'] ?? '12');
/** Lists that a relist of everything may take: as many as there are kinds, some of them twice (chosen by name and type). */
const listsOfOneRelist = 12;

let scene: Scene;
let pods: readonly [Pod, Pod];
let sluice: Replica;
let httpPort: number;
/** Null until there is something to ask. */
let load: SteadyLoad | null;

beforeEach(async () => {
  load = null;
  scene = await Scene.open({ flags: ['--election-ttl=4s', '--status-update-interval=5'] });
  pods = await Promise.all([startPod('first'), startPod('second')]);
  await scene.apply(serviceYaml() + sliceYaml(pods[0]) + ingressYaml('one'));
  sluice = await scene.startSluice();
  ({ httpPort } = await sluice.process.serving());
  await settle('before');
  load = new SteadyLoad(httpPort, 'one.test');
}, 60_000);

afterEach(async () => {
  await load?.stop();
  await scene[Symbol.asyncDispose]();
  await Promise.all(pods.map((pod) => pod[Symbol.asyncDispose]()));
  expect(scene.refused).toEqual([]);
});

/** A new Ingress that is served, published and told: whatever was still to come has come before it. */
async function settle(name: string): Promise<void> {
  await scene.apply(ingressYaml(name));
  await until(
    name,
    () => ask(httpPort, `${name}.test`),
    ({ status }) => status === 200,
  );
  await until(
    `the status of ${name}`,
    () => scene.addressesOf(name),
    (addresses) => addresses.join() === publishedAddress,
  );
  await until(
    `the Event of ${name}`,
    () => scene.eventsOf(name),
    (events) => events.length > 0,
  );
}

const answersAs = (body: string) =>
  until(
    `answers of ${body}`,
    () => ask(httpPort, 'one.test'),
    (answer) => answer.body === body,
  );
const lastContactAge = () => sluice.process.metric('sluice_api_last_contact_age_seconds{resource="ingresses"}');
const noFailures = async () => expect((await load?.stop())?.failures).toEqual([]);
/** What one new Ingress costs: its address, and its Event. */
const costOf = (name: string) => ['create events', `patch ingresses/status ${name}`];

test('the server pauses', async () => {
  const mark = scene.gate.log.mark;
  const goOn = scene.gate.pause();
  await scene.apply(sliceYaml(pods[1]) + ingressYaml('meanwhile'));
  const answersBefore = load?.answers ?? 0;
  await until(
    'the age of the objects on /metrics',
    lastContactAge,
    (age) => age >= pauseSeconds,
    pauseSeconds * 1000 + 30_000,
  );
  expect(load?.answers).toBeGreaterThan(answersBefore);
  // Not leader any more: another one that has a connection may be.
  expect(await sluice.process.isLeader()).toBe(false);
  expect(sluice.process.find('not leader any more')).toBeDefined();
  const waiting = scene.gate.log.since(mark);
  // One attempt to renew every quarter of the ttl, given up after as long.
  expect(waiting.length).toBeLessThan(pauseSeconds * 4);
  goOn();
  await answersAs('second');
  await settle('after');
  expect(scene.gate.log.writesSince(mark)).toEqual([...costOf('after'), ...costOf('meanwhile')].sort());
  await noFailures();
}, 150_000);

test('the server is gone and comes back: age in metrics and log, and a patient return', async () => {
  const mark = scene.gate.log.mark;
  await scene.gate.close();
  await scene.apply(sliceYaml(pods[1]) + ingressYaml('meanwhile'));
  await until('the age of the objects on /metrics', lastContactAge, (age) => age >= 3);
  expect(sluice.process.records.some(({ msg }) => /cannot be read|no answer/.test(msg ?? ''))).toBe(true);
  await scene.gate.open();
  await answersAs('second');
  await settle('after');
  expect(scene.gate.log.writesSince(mark)).toEqual([...costOf('after'), ...costOf('meanwhile')].sort());
  await noFailures();
}, 120_000);

test('410 on every watch: everything is read again once, and nothing is written', async () => {
  const mark = scene.gate.log.mark;
  const watches = scene.gate.dropWatches();
  scene.gate.expireWatches(watches);
  await settle('after');
  await until(
    'all watches',
    () => scene.gate.countAllWatches(),
    (count) => count >= watches,
  );
  const since = scene.gate.log.since(mark);
  const reads = since.filter(({ verb, isStreamingList }) => verb === 'list' || isStreamingList);
  expect(reads.length).toBeGreaterThanOrEqual(watches);
  expect(reads.length).toBeLessThanOrEqual(listsOfOneRelist);
  expect(scene.gate.log.writesSince(mark)).toEqual(costOf('after'));
  await noFailures();
}, 90_000);

test('watches that are cut again and again: no relist, and bounded attempts', async () => {
  const mark = scene.gate.log.mark;
  const cut = async () => {
    await until(
      'running watches',
      () => scene.gate.countWatches('ingresses'),
      (count) => count > 0,
    );
    scene.gate.dropWatches();
  };
  for (let round = 0; round < 4; round += 1) await cut();
  await settle('after');
  const since = scene.gate.log.since(mark);
  expect(since.filter(({ verb, isStreamingList }) => verb === 'list' || isStreamingList)).toEqual([]);
  const watchesOf = (resource: string) => since.filter((request) => request.resource === resource).length;
  // Each cut costs every watch one attempt, and what is refused in between none more.
  for (const resource of ['ingresses', 'services', 'endpointslices'])
    expect(watchesOf(resource)).toBeLessThanOrEqual(6);
  expect(scene.gate.log.writesSince(mark)).toEqual(costOf('after'));
  await noFailures();
}, 90_000);

test.each([
  [429, { retryAfterSeconds: 1 }],
  [500, {}],
])(
  'writes are answered with %d: they are tried again with growing waits, and then done',
  async (code, more) => {
    const filters = [{ resource: 'ingresses/status' }, { resource: 'events' }];
    const turnOffs = filters.map((filter) => scene.gate.fail({ code, ...more }, { verb: 'write', ...filter }));
    const mark = scene.gate.log.mark;
    const startedAtMs = performance.now();
    await scene.apply(sliceYaml(pods[1]) + ingressYaml('meanwhile'));
    await until(
      'the new Ingress',
      () => ask(httpPort, 'meanwhile.test'),
      ({ status }) => status === 200,
    );
    await answersAs('second');
    const count = (resource: string) => scene.gate.log.since(mark).filter((one) => one.resource === resource).length;
    const attempts = () => [count('ingresses/status'), count('events')];
    await until('several attempts of each', attempts, (counts) => Math.min(...counts) >= 3);
    // Waits begin at half of 0.8 s and double: n attempts of one write take at least 0.4 * (2^(n-1) - 1) seconds.
    const seconds = (performance.now() - startedAtMs) / 1000;
    const most = 1 + Math.log2(seconds / 0.4 + 1);
    for (const made of attempts()) expect(made).toBeLessThanOrEqual(most);
    for (const turnOff of turnOffs) turnOff();
    await settle('after');
    expect(await scene.addressesOf('meanwhile')).toEqual([publishedAddress]);
    expect(await scene.eventsOf('meanwhile')).toEqual(['Sync 1 Scheduled for sync']);
    await noFailures();
  },
  90_000,
);

test('all writes are refused: the leader gives up leading, and another attempt comes only with the Lease', async () => {
  const turnOff = scene.gate.fail({ code: 500 }, { verb: 'write' });
  const mark = scene.gate.log.mark;
  const startedAtMs = performance.now();
  await until(
    'the end of its leadership',
    () => sluice.process.find('not leader any more'),
    (record) => record !== undefined,
  );
  await scene.apply(ingressYaml('meanwhile'));
  await until(
    'the new Ingress',
    () => ask(httpPort, 'meanwhile.test'),
    ({ status }) => status === 200,
  );
  // One attempt every quarter of the ttl of 4 s, each of at most two requests.
  const seconds = (performance.now() - startedAtMs) / 1000;
  expect(scene.gate.log.leaseWritesSince(mark)).toBeLessThanOrEqual(2 * (seconds + 1));
  expect(scene.gate.log.writesSince(mark)).toEqual([]);
  turnOff();
  await settle('after');
  expect(await scene.addressesOf('meanwhile')).toEqual([publishedAddress]);
  expect(await scene.eventsOf('meanwhile')).toEqual(['Sync 1 Scheduled for sync']);
  await noFailures();
}, 90_000);

test('the token rotates, and the old one is refused from then on', async () => {
  const mark = scene.gate.log.mark;
  const old = await sluice.rotateToken();
  scene.gate.refuse(old);
  scene.gate.dropWatches();
  await scene.apply(sliceYaml(pods[1]));
  await answersAs('second');
  await settle('after');
  const since = scene.gate.log.since(mark);
  // Each of the requests that were under way with the old token may be refused once or twice, not for a minute.
  expect(since.filter(({ status }) => status === 401).length).toBeLessThanOrEqual(20);
  expect(scene.gate.log.doneSince(mark)).toEqual(costOf('after'));
  expect(scene.gate.log.writesSince(mark).length).toBeLessThanOrEqual(4);
  await noFailures();
}, 90_000);
