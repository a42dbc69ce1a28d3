// The scene of the swap-under-load test: a random cluster, Sluice in front of it, and what may be answered at each moment.
//
// Some hosts change through the store, one through an edited file. Beside them are the origin of the long streams, whose
// route and endpoint disappear once, and markers: objects whose value tells the round, so that it shows when it is live.

import { X509Certificate } from 'node:crypto';
import { fixture } from '../../compile/testing/fixtures.ts';
import { FeatureSluice } from './feature-sluice.ts';
import { StreamOrigin } from './long-streams.ts';
import { TestFolder } from './manifest-folder.ts';
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
} from './manifests.ts';
import { startNamedOrigin } from './origins.ts';
import type { Random } from './random.ts';
import { type ClusterChange, ClusterHistory, RandomCluster } from './random-cluster.ts';
import { SteeredSource } from './steered-source.ts';

/** Changes made in one round. */
export const CHANGES_PER_ROUND = 4;
/** Every tenth round is an edited file, the others go to the store directly. */
const FILE_ROUND = 10;
const SERVICES = ['s0', 's1', 's2', 's3', 's4'];
const ENDPOINTS_PER_SERVICE = 3;
/** The test certificates are for this host. */
export const TLS_HOST = 'foo.bar.com';
const FILED_HOST = 'filed.test';
const STORED_HOSTS = ['a.test', 'b.test', TLS_HOST];
/** Hosts whose routes change. */
export const CHANGING_HOSTS: readonly string[] = [...STORED_HOSTS, FILED_HOST];
/** Host of `/download`, `/upload` and `/ws`. */
export const STREAM_HOST = 'stream.test';

interface TestPair {
  readonly certPem: string;
  readonly keyPem: string;
  readonly serialNumber: string;
}

const FIRST_PAIR = pairOf('foo-bar-com');
const SECOND_PAIR = pairOf('foo-bar-com-renewed');

function pairOf(name: string): TestPair {
  const certPem = fixture(`${name}.crt`);
  return { certPem, keyPem: fixture(`${name}.key`), serialNumber: new X509Certificate(certPem).serialNumber };
}

/** The connections of the test may only end when it says so. */
const settings = configMap('settings', { 'keep-alive': '3600', 'keep-alive-requests': '10000000' });

const streamIngress = ingress('streams', {
  hosts: { [STREAM_HOST]: { '/': 'streams' } },
  annotations: {
    ...noRedirect,
    'nginx.ingress.kubernetes.io/proxy-body-size': '0',
    // The upload is under way from the first round on.
    'nginx.ingress.kubernetes.io/proxy-request-buffering': 'off',
  },
});

const markerPort = (round: number): number => 20_000 + round;

function marker(name: string, round: number): Manifest {
  return { ...slice(name, markerPort(round)), metadata: slice(name, 0).metadata };
}

/** What makes a marker part of the table. */
function markerRoute(name: string): Manifest[] {
  return [...serviceWith(name), ingress(name, { hosts: { [`${name}.test`]: { '/': name } } })];
}

function upsert(manifest: Manifest): ClusterChange {
  return { kind: 'upsert', manifest };
}

function ingressOf(cluster: RandomCluster, host: string): Manifest {
  return cluster.ingressOf(host, host === TLS_HOST ? { tlsSecret: 'tls' } : {});
}

function filedText(cluster: RandomCluster, round: number): string {
  return textOf(ingressOf(cluster, FILED_HOST), marker('filed-marker', round));
}

function baseText(cluster: RandomCluster, slots: ReadonlyMap<string, readonly number[]>, streamPort: number): string {
  return textOf(
    ingressClass,
    settings,
    tlsSecret('tls', FIRST_PAIR),
    ...[...slots].flatMap(([name, ports]) => serviceWith(name, ...ports)),
    ...STORED_HOSTS.map((host) => ingressOf(cluster, host)),
    ...serviceWith('streams', streamPort),
    streamIngress,
    marker('marker', 0),
    ...markerRoute('marker'),
    ...markerRoute('filed-marker'),
  );
}

interface SceneParts {
  readonly random: Random;
  readonly cluster: RandomCluster;
  readonly folder: TestFolder;
  readonly source: SteeredSource;
  readonly sluice: FeatureSluice;
  readonly streams: StreamOrigin;
  /** Everything to close at the end. */
  readonly stack: AsyncDisposableStack;
}

export class SwapScene implements AsyncDisposable {
  readonly history = new ClusterHistory();
  readonly sluice: FeatureSluice;
  readonly streams: StreamOrigin;
  readonly #parts: SceneParts;
  #pair = FIRST_PAIR;

  private constructor(parts: SceneParts) {
    this.#parts = parts;
    this.sluice = parts.sluice;
    this.streams = parts.streams;
    this.#begin();
  }

  /** Starts the origins and a Sluice with two workers. */
  static async start(random: Random): Promise<SwapScene> {
    await using stack = new AsyncDisposableStack();
    const slots = new Map<string, readonly number[]>();
    for (const name of SERVICES) {
      const origins = await Promise.all(Array.from({ length: ENDPOINTS_PER_SERVICE }, () => startNamedOrigin(name)));
      const ports = origins.map((origin) => stack.use(origin).port);
      slots.set(name, ports);
    }
    const streams = stack.use(await StreamOrigin.start());
    const cluster = new RandomCluster(random, slots, CHANGING_HOSTS);
    const files = { 'base.yaml': baseText(cluster, slots, streams.origin.port), 'filed.yaml': filedText(cluster, 0) };
    const folder = stack.use(await TestFolder.create(files));
    const source = new SteeredSource();
    const flags = ['--workers=2', '--configmap=default/settings'];
    const openSource = source.beside.bind(source);
    const sluice = stack.use(await FeatureSluice.start(folder.dir, { flags, openSource }));
    return new SwapScene({ random, cluster, folder, source, sluice, streams, stack: stack.move() });
  }

  /** Makes one round of changes and waits until all workers serve it. */
  async change(round: number): Promise<void> {
    if (round % FILE_ROUND === 0) await this.#changeFile(round);
    else await this.#changeStore(round, this.#randomChanges());
  }

  /** Takes the streams' route and endpoint away: what runs must go on. */
  async removeStreamHost(round: number): Promise<void> {
    const gone = [slice('streams', this.streams.origin.port), streamIngress];
    const changes = gone.map((manifest): ClusterChange => ({ kind: 'delete', manifest }));
    await this.#changeStore(round, changes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.stack.disposeAsync();
  }

  async #changeFile(round: number): Promise<void> {
    const { cluster, folder } = this.#parts;
    for (let i = 0; i < CHANGES_PER_ROUND; i++) cluster.changeRoute(FILED_HOST);
    await this.#apply(() => folder.replace('filed.yaml', filedText(cluster, round)), 'filed-marker', round);
  }

  async #changeStore(round: number, changes: readonly ClusterChange[]): Promise<void> {
    const { source } = this.#parts;
    await this.#apply(() => source.apply([...changes, upsert(marker('marker', round))]), 'marker', round);
  }

  #randomChanges(): ClusterChange[] {
    const { random, cluster } = this.#parts;
    return Array.from({ length: CHANGES_PER_ROUND }, () => {
      const kind = random.below(10);
      if (kind < 5) return cluster.changeEndpoints();
      if (kind === 9) return this.#changeCertificate();
      const host = random.pick(STORED_HOSTS);
      cluster.changeRoute(host);
      return upsert(ingressOf(cluster, host));
    });
  }

  #changeCertificate(): ClusterChange {
    this.#pair = this.#pair === FIRST_PAIR ? SECOND_PAIR : FIRST_PAIR;
    return upsert(tlsSecret('tls', this.#pair));
  }

  /** Applies what was changed in the cluster, and notes in the history when it may begin and when it is the only truth. */
  async #apply(change: () => unknown, markerName: string, round: number): Promise<void> {
    this.#begin();
    await this.sluice.live(change, () => {
      const upstream = this.sluice.table.upstreams.find(({ id }) => id === `default-${markerName}-80`);
      return upstream?.endpoints[0]?.port === markerPort(round);
    });
    this.history.confirm(performance.now());
  }

  #begin(): void {
    this.history.begin(performance.now(), this.#parts.cluster.state, this.#pair.serialNumber);
  }
}
