// An API server that pauses, forgets, refuses and overloads, with traffic running: no request fails, the state comes
// right afterwards, and writes stay few. The faults happen in the gate, so they happen in front of a real server as well.

import { expect, test } from '@jest/globals';
import { ask } from '../harness/ask.ts';
import { startPod } from '../harness/pods.ts';
import { publishedAddress, type Replica, Scene } from '../harness/scene.ts';
import { SteadyLoad } from '../harness/steady-load.ts';
import { until } from '../harness/wait.ts';
import { ingressYaml, serviceYaml, sliceYaml } from '../harness/web.ts';

/** Of the 60 s that the story has, this many: E2E_PAUSE_SECONDS=60 takes them all. */
const pauseSeconds = Number(process.env['E2E_PAUSE_SECONDS'] ?? '12');
/** Lists that a relist of everything may take: as many as there are kinds, some of them twice (chosen by name and type). */
const listsOfOneRelist = 12;

/** A scene with an Ingress that a Sluice serves under load. Each test has its own: they run side by side, and wait mostly. */
class Outage implements AsyncDisposable {
  readonly scene: Scene;
  readonly sluice: Replica;
  /** The slice of the first pod is applied. */
  readonly slices: readonly [first: string, second: string];
  readonly httpPort: number;
  readonly load: SteadyLoad;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    scene: Scene,
    slices: Outage['slices'],
    sluice: Replica,
    port: number,
    stack: AsyncDisposableStack,
  ) {
    this.scene = scene;
    this.slices = slices;
    this.sluice = sluice;
    this.httpPort = port;
    this.#stack = stack;
    this.load = stack.use(new SteadyLoad(port, 'one.test'));
  }

  static async open(): Promise<Outage> {
    await using stack = new AsyncDisposableStack();
    const [first, second] = [stack.use(await startPod('first')), stack.use(await startPod('second'))];
    const slices = [sliceYaml(first), sliceYaml(second)] as const;
    const scene = await Scene.open({ flags: ['--election-ttl=4s', '--status-update-interval=5'] });
    stack.defer(() => expect(scene.refused).toEqual([]));
    stack.use(scene);
    await scene.apply(serviceYaml() + slices[0] + ingressYaml('one'));
    const sluice = await scene.startSluice();
    const { httpPort } = await sluice.process.serving();
    await settle(scene, httpPort, 'before');
    return new Outage(scene, slices, sluice, httpPort, stack.move());
  }

  /** See {@link settle}. */
  settle(name: string): Promise<void> {
    return settle(this.scene, this.httpPort, name);
  }

  /** Waits till the new Ingress `name` is served. */
  async serves(name: string): Promise<void> {
    await serves(this.httpPort, name);
  }

  /** Waits till the second pod answers. */
  async answersAsSecond(): Promise<void> {
    await until(
      'answers of second',
      () => ask(this.httpPort, 'one.test'),
      (answer) => answer.body === 'second',
    );
  }

  lastContactAge(): Promise<number> {
    return this.sluice.process.metric('sluice_api_last_contact_age_seconds{resource="ingresses"}');
  }

  async noFailures(): Promise<void> {
    expect((await this.load.stop()).failures).toEqual([]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** A new Ingress that is served, published and told: whatever was still to come has come before it. */
async function settle(scene: Scene, httpPort: number, name: string): Promise<void> {
  await scene.apply(ingressYaml(name));
  await serves(httpPort, name);
  await written(scene, name);
}

/** Waits till the Ingress has its address and its Event; gives all of its Events. */
async function written(scene: Scene, name: string): Promise<readonly string[]> {
  await until(
    `the status of ${name}`,
    () => scene.addressesOf(name),
    (addresses) => addresses.join() === publishedAddress,
  );
  return await until(
    `the Event of ${name}`,
    () => scene.eventsOf(name),
    (events) => events.length > 0,
  );
}

const serves = (httpPort: number, name: string) =>
  until(
    name,
    () => ask(httpPort, `${name}.test`),
    ({ status }) => status === 200,
  );

/** What one new Ingress costs: its address, and its Event. */
const costOf = (name: string) => ['create events', `patch ingresses/status ${name}`];

test.concurrent('the server pauses', async () => {
  await using outage = await Outage.open();
  const { load, scene, slices, sluice } = outage;
  const mark = scene.gate.log.mark;
  const goOn = scene.gate.pause();
  await scene.apply(slices[1] + ingressYaml('meanwhile'));
  const answersBefore = load.answers;
  await until(
    'the age of the objects on /metrics',
    () => outage.lastContactAge(),
    (age) => age >= pauseSeconds,
    pauseSeconds * 1000 + 30_000,
  );
  expect(load.answers).toBeGreaterThan(answersBefore);
  // Not leader any more: another one that has a connection may be.
  expect(await sluice.process.isLeader()).toBe(false);
  expect(sluice.process.find('not leader any more')).toBeDefined();
  const waiting = scene.gate.log.since(mark);
  // One attempt to renew every quarter of the ttl, given up after as long.
  expect(waiting.length).toBeLessThan(pauseSeconds * 4);
  goOn();
  await outage.answersAsSecond();
  await outage.settle('after');
  expect(scene.gate.log.writesSince(mark)).toEqual([...costOf('after'), ...costOf('meanwhile')].sort());
  await outage.noFailures();
}, 150_000);

test.concurrent('the server is gone and comes back: age in metrics and log, and a patient return', async () => {
  await using outage = await Outage.open();
  const { scene, slices, sluice } = outage;
  const mark = scene.gate.log.mark;
  await scene.gate.close();
  await scene.apply(slices[1] + ingressYaml('meanwhile'));
  await until(
    'the age of the objects on /metrics',
    () => outage.lastContactAge(),
    (age) => age >= 3,
  );
  expect(sluice.process.records.some(({ msg }) => /cannot be read|no answer/.test(msg ?? ''))).toBe(true);
  await scene.gate.open();
  await outage.answersAsSecond();
  await outage.settle('after');
  expect(scene.gate.log.writesSince(mark)).toEqual([...costOf('after'), ...costOf('meanwhile')].sort());
  await outage.noFailures();
}, 120_000);

test.concurrent('410 on every watch: everything is read again once, and nothing is written', async () => {
  await using outage = await Outage.open();
  const { scene } = outage;
  const mark = scene.gate.log.mark;
  const watches = scene.gate.dropWatches();
  scene.gate.expireWatches(watches);
  await outage.settle('after');
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
  await outage.noFailures();
}, 90_000);

test.concurrent('watches that are cut again and again: no relist, and bounded attempts', async () => {
  await using outage = await Outage.open();
  const { scene } = outage;
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
  await outage.settle('after');
  const since = scene.gate.log.since(mark);
  expect(since.filter(({ verb, isStreamingList }) => verb === 'list' || isStreamingList)).toEqual([]);
  const watchesOf = (resource: string) => since.filter((request) => request.resource === resource).length;
  // Each cut costs every watch one attempt, and what is refused in between none more.
  for (const resource of ['ingresses', 'services', 'endpointslices'])
    expect(watchesOf(resource)).toBeLessThanOrEqual(6);
  expect(scene.gate.log.writesSince(mark)).toEqual(costOf('after'));
  await outage.noFailures();
}, 90_000);

test.concurrent.each([
  [429, { retryAfterSeconds: 1 }],
  [500, {}],
])(
  'writes are answered with %d: they are tried again with growing waits, and then done',
  async (code, more) => {
    await using outage = await Outage.open();
    const { scene, slices } = outage;
    const filters = [{ resource: 'ingresses/status' }, { resource: 'events' }];
    const turnOffs = filters.map((filter) => scene.gate.fail({ code, ...more }, { verb: 'write', ...filter }));
    const mark = scene.gate.log.mark;
    const startedAtMs = performance.now();
    await scene.apply(slices[1] + ingressYaml('meanwhile'));
    await outage.serves('meanwhile');
    await outage.answersAsSecond();
    const count = (resource: string) => scene.gate.log.since(mark).filter((one) => one.resource === resource).length;
    const attempts = () => [count('ingresses/status'), count('events')];
    await until('several attempts of each', attempts, (counts) => Math.min(...counts) >= 3);
    // Waits begin at half of 0.8 s and double: n attempts of one write take at least 0.4 * (2^(n-1) - 1) seconds.
    const seconds = (performance.now() - startedAtMs) / 1000;
    const most = 1 + Math.log2(seconds / 0.4 + 1);
    for (const made of attempts()) expect(made).toBeLessThanOrEqual(most);
    for (const turnOff of turnOffs) turnOff();
    await outage.settle('after');
    // Its own next attempt may come after a first one for something new.
    expect(await written(scene, 'meanwhile')).toEqual(['Sync 1 Scheduled for sync']);
    await outage.noFailures();
  },
  90_000,
);

test.concurrent('all writes are refused: the leader gives up leading, and another attempt comes only with the Lease', async () => {
  await using outage = await Outage.open();
  const { scene, sluice } = outage;
  const turnOff = scene.gate.fail({ code: 500 }, { verb: 'write' });
  const mark = scene.gate.log.mark;
  const startedAtMs = performance.now();
  await until(
    'the end of its leadership',
    () => sluice.process.find('not leader any more'),
    (record) => record !== undefined,
  );
  await scene.apply(ingressYaml('meanwhile'));
  await outage.serves('meanwhile');
  // One attempt every quarter of the ttl of 4 s, each of at most two requests.
  const seconds = (performance.now() - startedAtMs) / 1000;
  expect(scene.gate.log.leaseWritesSince(mark)).toBeLessThanOrEqual(2 * (seconds + 1));
  expect(scene.gate.log.writesSince(mark)).toEqual([]);
  turnOff();
  await outage.settle('after');
  // Its own next attempt may come after a first one for something new.
  expect(await written(scene, 'meanwhile')).toEqual(['Sync 1 Scheduled for sync']);
  await outage.noFailures();
}, 90_000);

test.concurrent('the token rotates, and the old one is refused from then on', async () => {
  await using outage = await Outage.open();
  const { scene, slices, sluice } = outage;
  const mark = scene.gate.log.mark;
  const old = await sluice.rotateToken();
  scene.gate.refuse(old);
  scene.gate.dropWatches();
  await scene.apply(slices[1]);
  await outage.answersAsSecond();
  await outage.settle('after');
  const since = scene.gate.log.since(mark);
  // Each of the requests that were under way with the old token may be refused once or twice, not for a minute.
  expect(since.filter(({ status }) => status === 401).length).toBeLessThanOrEqual(20);
  expect(scene.gate.log.doneSince(mark)).toEqual(costOf('after'));
  expect(scene.gate.log.writesSince(mark).length).toBeLessThanOrEqual(4);
  await outage.noFailures();
}, 90_000);
