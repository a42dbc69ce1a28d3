// A thousand random changes under load: no request fails, no connection is dropped, and every answer belongs to exactly one
// revision of the table. `npm test -- swap-under-load --seed=<seed>` repeats a run with the seed that Jest prints.

import { X509Certificate } from 'node:crypto';
import { expect, jest, test } from '@jest/globals';
import { fixture } from '../compile/testing/fixtures.ts';
import { ask } from './testing/ask.ts';
import { FeatureSluice } from './testing/feature-sluice.ts';
import { KeepAliveClient } from './testing/keep-alive-client.ts';
import { EchoSocket, StreamOrigin } from './testing/long-streams.ts';
import { TestFolder } from './testing/manifest-folder.ts';
import {
  configMap,
  ingress,
  ingressClass,
  type Manifest,
  noRedirect,
  serviceWith,
  slice,
  textOf,
  tlsSecret,
} from './testing/manifests.ts';
import { startNamedOrigin } from './testing/origins.ts';
import { Random } from './testing/random.ts';
import { type ClusterChange, ClusterHistory, PATHS, RandomCluster } from './testing/random-cluster.ts';
import { SteeredSource } from './testing/steered-source.ts';

const ROUNDS = 250;
const CHANGES_PER_ROUND = 4;
/** Every tenth round is an edited file, the others go to the store directly. */
const FILE_ROUND = 10;
/** In this round the route and the endpoint of all long streams disappear. */
const STREAMS_REMOVED_ROUND = 125;
/** One a round: 10 MB in all. */
const CHUNK_BYTES = 40_000;
const WEB_SOCKETS = 20;
const CLIENTS = ['http', 'http', 'http', 'http', 'http', 'http', 'https', 'https', 'https'] as const;

const SERVICES = ['s0', 's1', 's2', 's3', 's4'];
const ENDPOINTS_PER_SERVICE = 3;
/** The test certificates are for this host. */
const TLS_HOST = 'foo.bar.com';
const FILED_HOST = 'filed.test';
const STORED_HOSTS = ['a.test', 'b.test', TLS_HOST];
const STREAM_HOST = 'stream.test';

const PAIRS = ['foo-bar-com', 'foo-bar-com-renewed'].map((name) => ({
  certPem: fixture(`${name}.crt`),
  keyPem: fixture(`${name}.key`),
  serialNumber: new X509Certificate(fixture(`${name}.crt`)).serialNumber,
}));

/** Longer than any wait: the connections of this test may only end when it says so. */
const settings = configMap('settings', { 'keep-alive': '3600', 'keep-alive-requests': '10000000' });
const unlimited = { ...noRedirect, 'nginx.ingress.kubernetes.io/proxy-body-size': '0' };

/** An object whose value tells the round: the table is live when the round is in it. */
function marker(name: string, round: number): Manifest {
  return { ...slice(name, 20_000 + round), metadata: { ...slice(name, 0).metadata } };
}

function upsert(manifest: Manifest): ClusterChange {
  return { kind: 'upsert', manifest };
}

/** A random cluster, Sluice in front of it, and what may be answered at each moment. */
class Scene implements AsyncDisposable {
  readonly history = new ClusterHistory();
  readonly streams: StreamOrigin;
  readonly #random: Random;
  readonly #stack: AsyncDisposableStack;
  readonly #cluster: RandomCluster;
  #folder!: TestFolder;
  #source!: SteeredSource;
  #sluice!: FeatureSluice;
  #pair = 0;

  private constructor(random: Random, cluster: RandomCluster, streams: StreamOrigin, stack: AsyncDisposableStack) {
    this.#random = random;
    this.#cluster = cluster;
    this.streams = streams;
    this.#stack = stack;
  }

  static async start(random: Random): Promise<Scene> {
    const stack = new AsyncDisposableStack();
    const slots = new Map<string, readonly number[]>();
    for (const name of SERVICES) {
      const origins = await Promise.all(Array.from({ length: ENDPOINTS_PER_SERVICE }, () => startNamedOrigin(name)));
      slots.set(
        name,
        origins.map((origin) => stack.use(origin).port),
      );
    }
    const cluster = new RandomCluster(random, slots, [...STORED_HOSTS, FILED_HOST]);
    const scene = new Scene(random, cluster, stack.use(await StreamOrigin.start()), stack);
    await scene.#serve(slots);
    return scene;
  }

  get sluice(): FeatureSluice {
    return this.#sluice;
  }

  /** Makes one round of changes and waits until all workers serve it. */
  async change(round: number): Promise<void> {
    if (round % FILE_ROUND === 0) await this.#changeFile(round);
    else await this.#changeStore(round, this.#randomChanges());
    this.history.confirm(performance.now());
  }

  /** Takes the streams' route and endpoint away: what runs must go on. */
  async removeStreamHost(round: number): Promise<void> {
    const gone = [slice('streams', this.streams.origin.port), this.#streamIngress];
    await this.#changeStore(
      round,
      gone.map((manifest) => ({ kind: 'delete', manifest })),
    );
    this.history.confirm(performance.now());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async #serve(slots: ReadonlyMap<string, readonly number[]>): Promise<void> {
    const base = textOf(
      ingressClass,
      settings,
      tlsSecret('tls', PAIRS[0] as (typeof PAIRS)[number]),
      ...[...slots].flatMap(([name, ports]) => serviceWith(name, ...ports)),
      ...STORED_HOSTS.map((host) => this.#ingressOf(host)),
      ...serviceWith('streams', this.streams.origin.port),
      this.#streamIngress,
      marker('marker', 0),
      ...['marker', 'filed-marker'].flatMap((name) => [
        ...serviceWith(name),
        ingress(name, { hosts: { [`${name}.test`]: { '/': name } } }),
      ]),
    );
    this.#folder = this.#stack.use(await TestFolder.create({ 'base.yaml': base, 'filed.yaml': this.#filedText(0) }));
    const flags = ['--workers=2', '--configmap=default/settings'];
    const openSource = (folder: SteeredSource | ConstructorParameters<typeof SteeredSource>[0]) => {
      this.#source = new SteeredSource(folder);
      return this.#source;
    };
    this.#begin();
    this.#sluice = this.#stack.use(await FeatureSluice.start(this.#folder.dir, { flags, openSource }));
    expect(this.#sluice.diagnostics).toEqual([]);
  }

  get #streamIngress(): Manifest {
    return ingress('streams', { hosts: { [STREAM_HOST]: { '/': 'streams' } }, annotations: unlimited });
  }

  #ingressOf(host: string): Manifest {
    return this.#cluster.ingressOf(host, host === TLS_HOST ? { tlsSecret: 'tls' } : {});
  }

  #filedText(round: number): string {
    return textOf(this.#ingressOf(FILED_HOST), marker('filed-marker', round));
  }

  async #changeFile(round: number): Promise<void> {
    for (let i = 0; i < CHANGES_PER_ROUND; i++) this.#cluster.changeRoute(FILED_HOST);
    this.#begin();
    await this.#sluice.live(
      () => this.#folder.replace('filed.yaml', this.#filedText(round)),
      () => this.#isMarked('filed-marker', round),
    );
  }

  async #changeStore(round: number, changes: readonly ClusterChange[]): Promise<void> {
    this.#begin();
    await this.#sluice.live(
      () => this.#source.apply([...changes, upsert(marker('marker', round))]),
      () => this.#isMarked('marker', round),
    );
  }

  #randomChanges(): ClusterChange[] {
    return Array.from({ length: CHANGES_PER_ROUND }, () => {
      const kind = this.#random.below(10);
      if (kind < 5) return this.#cluster.changeEndpoints();
      if (kind === 9) return this.#changeCertificate();
      const host = this.#random.pick(STORED_HOSTS);
      this.#cluster.changeRoute(host);
      return upsert(this.#ingressOf(host));
    });
  }

  #changeCertificate(): ClusterChange {
    this.#pair = 1 - this.#pair;
    return upsert(tlsSecret('tls', this.#currentPair));
  }

  get #currentPair(): (typeof PAIRS)[number] {
    return PAIRS[this.#pair] as (typeof PAIRS)[number];
  }

  /** From now on a worker may use the cluster as it is now. */
  #begin(): void {
    this.history.begin(performance.now(), this.#cluster.state, this.#currentPair.serialNumber);
  }

  #isMarked(name: string, round: number): boolean {
    const upstream = this.#sluice.table.upstreams.find(({ id }) => id === `default-${name}-80`);
    return upstream?.endpoints[0]?.port === 20_000 + round;
  }
}

/** What went wrong under load. The loops end when there is anything: one failure is enough. */
class Verdict {
  readonly problems: string[] = [];
  isOver = false;
  answers = 0;

  get mayGoOn(): boolean {
    return !this.isOver && this.problems.length === 0;
  }

  /** Repeats `step` until the test is over or something failed. */
  async repeat(what: string, step: () => Promise<void>): Promise<void> {
    try {
      while (this.mayGoOn) {
        await step();
        this.answers++;
      }
    } catch (error) {
      this.note(what, error);
    }
  }

  note(what: string, error: unknown): void {
    this.problems.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Asks random hosts and paths on one connection and checks each answer against the history. */
async function loadWith(scheme: 'http' | 'https', scene: Scene, random: Random, verdict: Verdict): Promise<void> {
  const { sluice, history } = scene;
  using client = new KeepAliveClient(scheme, scheme === 'http' ? sluice.httpPort : sluice.httpsPort);
  await verdict.repeat(scheme, async () => {
    const question = { host: random.pick([...STORED_HOSTS, FILED_HOST]), path: random.pick(['/', ...PATHS]) };
    const isPost = random.below(4) === 0;
    const startMs = performance.now();
    const answer = await client.ask({ ...question, ...(isPost ? { method: 'POST', body: 'x'.repeat(2000) } : {}) });
    const text = `${isPost ? 'POST' : 'GET'} ${question.path}`;
    if (answer.status !== 200 || answer.body !== text) throw new Error(`${text} of ${question.host}: ${answer.status}`);
    if (!history.allowsAnswer(startMs, performance.now(), question, Number(answer.headers['x-port'])))
      throw new Error(`${text} of ${question.host} was answered by ${answer.headers['x-origin']}, as in no revision`);
  });
}

/** Makes one new TLS connection after the other and checks its certificate against the history. */
async function handshakeWith(scene: Scene, verdict: Verdict): Promise<void> {
  const question = { scheme: 'https', port: scene.sluice.httpsPort, host: TLS_HOST } as const;
  await verdict.repeat('handshake', async () => {
    const startMs = performance.now();
    const { status, serialNumber } = await ask(question);
    if (status !== 200) throw new Error(`status ${status}`);
    if (!scene.history.allowsCertificate(startMs, performance.now(), serialNumber))
      throw new Error(`certificate ${serialNumber} was not in force`);
  });
}

function openSockets({ sluice }: Scene): Promise<EchoSocket[]> {
  const open = (i: number): Promise<EchoSocket> =>
    i % 2 === 0
      ? EchoSocket.open('ws', sluice.httpPort, STREAM_HOST)
      : EchoSocket.open('wss', sluice.httpsPort, STREAM_HOST);
  return Promise.all(Array.from({ length: WEB_SOCKETS }, (_, i) => open(i)));
}

test('a thousand changes under load: nothing fails, nothing is dropped, each answer is of one revision', async () => {
  const random = new Random(jest.getSeed());
  await using scene = await Scene.start(random);
  const verdict = new Verdict();
  const sockets = await openSockets(scene);
  const download = await scene.streams.download(scene.sluice.httpPort, STREAM_HOST);
  const { transfer: upload, status: uploadStatus } = await scene.streams.upload(scene.sluice.httpPort, STREAM_HOST);
  const loads = CLIENTS.map((scheme, i) => loadWith(scheme, scene, new Random(jest.getSeed() + i), verdict));
  loads.push(handshakeWith(scene, verdict));

  try {
    for (let round = 1; round <= ROUNDS && verdict.mayGoOn; round++) {
      const chunk = Buffer.alloc(CHUNK_BYTES, `${round},`);
      await Promise.all([
        round === STREAMS_REMOVED_ROUND ? scene.removeStreamHost(round) : scene.change(round),
        download.step(chunk),
        upload.step(chunk),
        ...sockets.map((socket) => socket.echo(`round ${round}`)),
      ]);
    }
  } catch (error) {
    verdict.note('long streams', error);
  }
  verdict.isOver = true;
  await Promise.all(loads);
  const dropped = sockets.flatMap(({ closed }) => closed ?? []);
  for (const socket of sockets) socket[Symbol.dispose]();

  // A worker that died would explain every other failure: look for it first.
  expect(scene.sluice.complaints).toEqual([]);
  expect(verdict.problems).toEqual([]);
  expect(dropped).toEqual([]);
  for (const transfer of [download, upload]) {
    const { sent, arrived } = await transfer.finish();
    expect(arrived).toEqual(sent);
    expect(arrived.bytes).toBe(ROUNDS * CHUNK_BYTES);
  }
  expect(await uploadStatus).toBe(200);
  // The load was a load: several answers for each change.
  expect(verdict.answers).toBeGreaterThan(ROUNDS * CHANGES_PER_ROUND);
}, 60_000);
