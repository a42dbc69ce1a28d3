// Everything that runs in one Sluice, put together: source -> pipeline -> publisher -> workers, and the resolver that
// feeds back. Knows no argv, no signal and no exit: serve.ts has those, feature tests do without.
//
// Start order: the health server (a probe gets 500 rather than nothing), then objects are read, ports checked and workers
// started, then the first table is compiled and acknowledged, and only then do listeners open.

import { randomBytes, randomInt } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { SharedLoadsMemory } from '#proxy/endpoints/shared-loads.ts';
import { createLimitMemory } from '#proxy/filters/limit-table.ts';
import type { RoutingTable } from '#proxy/table/types.ts';
import { EndpointWatch } from '#proxy/workers/endpoint-watch.ts';
import { type ListenerSettings, TICKET_KEY_BYTES, type WorkerStart } from '#proxy/workers/messages.ts';
import { type DrainReport, WorkerPool } from '#proxy/workers/pool.ts';
import type { HealthServer } from '../admin/health-server.ts';
import type { WebhookServer } from '../admission/webhook-server.ts';
import type { IncrementalResult } from '../compile/incremental.ts';
import { pairFromPem } from '../compile/key-pair.ts';
import type { CertificatePair } from '../compile/types.ts';
import type { ControllerMetrics } from '../metrics/controller-metrics.ts';
import type { Diagnostic } from '../objects/diagnostic.ts';
import type { ObjectSource } from '../objects/snapshot.ts';
import { availableCpus } from '../options/available-cpus.ts';
import { compileOptionsOf } from '../options/compile-options.ts';
import { flags } from '../options/flags.ts';
import { affordableConnections, openFileLimit } from '../options/open-files.ts';
import type { Options } from '../options.ts';
import { Publisher, type PublishOutcome } from '../publish/publisher.ts';
import { NameResolver } from '../watch/resolve-names.ts';
import type { ClusterLink } from './cluster.ts';
import { DiagnosticLog } from './diagnostic-log.ts';
import { generateFallbackCertificate } from './fallback-certificate.ts';
import { readLimitStore } from './limit-store.ts';
import type { Logger } from './logger.ts';
import { createMetrics, startHealthServer } from './observe.ts';
import { Pipeline } from './pipeline.ts';
import { poolEvents } from './pool-events.ts';
import { findFault } from './readiness.ts';
import { startStep } from './start-error.ts';
import { StreamPortFaults } from './stream-port-faults.ts';
import { startWebhook } from './webhook.ts';

const WORKER_URL = new URL('../../proxy/workers/worker.ts', import.meta.url);

export interface SluiceParts {
  readonly options: Options;
  readonly log: Logger;
  readonly source: ObjectSource;
  /** The cluster that the objects come from, if they come from one. */
  readonly cluster?: ClusterLink;
  /** Gets complete lines of the access log, each ended by a line feed. */
  readonly writeAccessLog: (lines: string) => void;
  /** Lines of the logs that nobody took, by stream. Default: none. */
  readonly lostLogLines?: () => Readonly<Record<string, number>>;
}

/** What a started Sluice is doing. */
export interface ServingFacts {
  readonly workers: number;
  /** Ports that were really taken, also when the flag said 0. */
  readonly httpPort: number;
  readonly httpsPort: number;
  readonly healthPort: number;
  readonly table: RoutingTable;
  readonly diagnostics: readonly Diagnostic[];
}

/** Starts everything; rejects with StartError, and leaves nothing running then. */
export async function startSluice(parts: SluiceParts): Promise<Sluice> {
  const sluice = new Sluice(parts, await makeFallbackCertificate());
  try {
    await sluice.start();
  } catch (error) {
    await sluice.close();
    throw error;
  }
  return sluice;
}

export class Sluice {
  readonly #options: Options;
  readonly #log: Logger;
  readonly #source: ObjectSource;
  readonly #cluster: ClusterLink | null;
  readonly #watch: EndpointWatch;
  readonly #portFaults: StreamPortFaults;
  readonly #pool: WorkerPool;
  readonly #publisher: Publisher;
  readonly #pipeline: Pipeline;
  readonly #resolver: NameResolver;
  readonly #diagnosticLog: DiagnosticLog;
  readonly #metrics: ControllerMetrics;
  #health: HealthServer | null = null;
  #webhook: WebhookServer | null = null;
  #last: IncrementalResult | null = null;
  #isStopping = false;

  constructor(
    { options, log, source, cluster, writeAccessLog, lostLogLines }: SluiceParts,
    fallbackCertificate: CertificatePair,
  ) {
    this.#options = options;
    this.#log = log;
    this.#source = source;
    this.#cluster = cluster ?? null;
    this.#diagnosticLog = new DiagnosticLog(log);
    const workers = workerCount(options, log);
    this.#watch = new EndpointWatch({
      workers,
      sharedCounts: options.sharedCounts,
      maxChecks: options.maxActiveChecks,
      tell: (message, workerId) => this.#pool.tell(message, workerId),
      log: ({ level, message, fields }) => log[level](fields, message),
      nowMs: () => performance.now(),
      random: Math.random,
    });
    this.#portFaults = new StreamPortFaults({
      configMaps: { tcp: options.tcpServicesConfigmap, udp: options.udpServicesConfigmap },
      apply: (changes) => this.#pipeline.apply(changes),
    });
    this.#pool = new WorkerPool({
      workerUrl: WORKER_URL,
      size: workers,
      start: {
        ...workerStart(options, workers, this.#watch.memory),
        maxConnections: maxConnections(options, workers, log),
      },
      events: poolEvents({ log, writeAccessLog, watch: this.#watch, portFaults: this.#portFaults }),
    });
    this.#publisher = new Publisher({
      send: (broadcast) => this.#pool.publish(broadcast),
      follower: this.#watch,
      nowMs: () => performance.now(),
      turn: nextTurn,
    });
    this.#pipeline = new Pipeline({
      compileOptions: compileOptionsOf(options, fallbackCertificate),
      onResult: (result, tookMs) => this.#onResult(result, tookMs),
      wallMs: Date.now,
    });
    this.#resolver = new NameResolver({ apply: (changes) => this.#pipeline.apply(changes), log });
    this.#metrics = createMetrics({
      options,
      pool: this.#pool,
      publisher: this.#publisher,
      cluster: this.#cluster,
      sampleChecks: () => this.#watch.sampleChecks(),
      lostLogLines: lostLogLines ?? (() => ({})),
    });
  }

  /** Reads, compiles, publishes and listens; resolves when all workers serve the first table. */
  async start(): Promise<void> {
    this.#health = await startHealthServer({
      options: this.#options,
      log: this.#log,
      metrics: this.#metrics,
      findFault: () => findFault({ isStopping: this.#isStopping, pool: this.#pool }),
    });
    await startStep(
      this.#source.start((changes) => this.#pipeline.apply(changes)),
      2,
    );
    const nodeZone = (await this.#cluster?.findNodeZone()) ?? this.#options.nodeZone;
    await startStep(this.#pool.start(), 1);
    this.#pipeline.open({ nodeZone });
    await startStep(this.#pool.ready, 1);
    const view = () => this.#pipeline.view();
    this.#webhook = await startWebhook({ options: this.#options, log: this.#log, metrics: this.#metrics, view });
    this.#cluster?.onServing();
  }

  get facts(): ServingFacts {
    const result = this.#last;
    const listeners = this.#pool.listeners;
    if (result === null || listeners === null) throw new Error('Sluice was asked for facts before it was started');
    return {
      workers: this.#pool.workers.length,
      httpPort: portOf(listeners, 'http'),
      httpsPort: portOf(listeners, 'https'),
      healthPort: this.#health?.port ?? 0,
      table: result.table,
      diagnostics: result.diagnostics,
    };
  }

  /** Makes the health check fail from now on; traffic is served as before. */
  markNotReady(): void {
    this.#isStopping = true;
  }

  /** Stops accepting and lets requests finish, for at most `worker-shutdown-timeout` of the ConfigMap. */
  async drain(): Promise<DrainReport> {
    // Objects that change from here on would only disturb workers that are leaving.
    this.#pipeline.close();
    const deadlineMs = this.#last?.table.global.workerShutdownTimeoutMs ?? 0;
    const [report] = await Promise.all([this.#pool.drain(deadlineMs), this.#cluster?.close(), this.#webhook?.close()]);
    if (report.cutConnections > 0) this.#log.warn({ ...report }, 'connections were cut at the drain deadline');
    return report;
  }

  /** Ends everything at once. May be called in any state, also twice. */
  async close(): Promise<void> {
    this.#pipeline.close();
    this.#resolver.close();
    await Promise.all([this.#cluster?.close(), this.#webhook?.close(), this.#watch.close()]);
    await Promise.all([this.#source[Symbol.asyncDispose](), this.#pool.close(), this.#health?.close()]);
  }

  #onResult(result: IncrementalResult, tookMs: number): void {
    const before = this.#last;
    this.#last = result;
    // Lists that did not change are the same lists: most changes are endpoints, and diagnostics may be thousands.
    if (result.diagnostics !== before?.diagnostics) {
      this.#diagnosticLog.report(result.diagnostics);
      this.#metrics.onDiagnostics(result.diagnostics);
      this.#cluster?.onDiagnostics(result.diagnostics);
    }
    if (result.wantedNames !== before?.wantedNames) this.#resolver.want(result.wantedNames);
    // A rejection is a bug (a table that cannot be encoded): the process must not go on pretending.
    void this.#publisher.publish(result).then((outcome) => this.#onPublished(result, outcome, tookMs));
  }

  #onPublished(result: IncrementalResult, outcome: PublishOutcome, compileMs: number): void {
    if (outcome.kind !== 'published') return;
    this.#metrics.onPublished(result.version, outcome);
    const { revision, form, bytes, latencyMs, workers } = outcome;
    const fields = { revision, form, bytes, workers, compileMs: round(compileMs), publishMs: round(latencyMs) };
    // Endpoints come and go all day; a change of routes is what somebody wants to see afterwards.
    const level = outcome.changesConfiguration ? 'info' : 'debug';
    this.#log[level](fields, `routing table ${revision} is live`);
  }
}

async function makeFallbackCertificate(): Promise<CertificatePair> {
  const { certPem, keyPem } = await generateFallbackCertificate(Date.now());
  const result = pairFromPem(certPem, keyPem, '');
  if (!result.ok) throw new Error(`the generated certificate is not usable: ${result.field} ${result.why}`);
  return result.pair;
}

/** Several workers share a port by SO_REUSEPORT, which spreads connections evenly on Linux only. */
function workerCount({ workers }: Options, log: Logger): number {
  if (process.platform === 'linux') return workers === 'auto' ? availableCpus() : workers;
  if (workers !== 'auto' && workers > 1)
    log.warn(`--workers ${workers}: only Linux can have more than one, one is started`);
  return 1;
}

/** What `--max-connections` says, as far as the system lets this process open files. */
function maxConnections(options: Options, workers: number, log: Logger): number {
  const openFiles = openFileLimit();
  const affordable = affordableConnections(options.maxConnections, workers, openFiles);
  if (affordable < options.maxConnections) {
    const why = `only ${openFiles} files may be open (ulimit -n)`;
    const what = `a worker takes ${affordable} client connections, not the ${options.maxConnections} of --max-connections`;
    // A default that does not fit is nobody's mistake: many systems allow fewer files.
    const wasAskedFor = options.maxConnections !== flags['max-connections'].default;
    log[wasAskedFor ? 'warn' : 'info'](`${why}: ${what}`);
  }
  return affordable;
}

function workerStart(
  options: Options,
  workers: number,
  loads: SharedLoadsMemory,
): Omit<WorkerStart, 'id' | 'maxConnections'> {
  const { bindAddress: host, httpPort, httpsPort } = options;
  return {
    ticketKeys: randomBytes(TICKET_KEY_BYTES),
    listeners: [
      { name: 'http', protocol: 'http', host, port: httpPort },
      { name: 'https', protocol: 'https', host, port: httpsPort },
    ],
    staticReadBuffer: options.staticReadBuffer,
    requestMetrics: {
      bounds: { time: options.timeBuckets, length: options.lengthBuckets, size: options.sizeBuckets },
      excluded: options.excludeSocketMetrics,
      isPerHost: options.metricsPerHost,
      hasStatusClasses: options.reportStatusClasses,
    },
    limitMemory: createLimitMemory(
      {
        entries: options.limitEntries,
        columns: workers,
        isClosedWhenFull: options.limitEntriesFull === 'closed',
      },
      randomInt(2 ** 32),
    ),
    limitStore: readLimitStore(options),
    loads,
  };
}

function portOf(listeners: readonly ListenerSettings[], name: string): number {
  const listener = listeners.find((candidate) => candidate.name === name);
  if (listener === undefined) throw new Error(`no listener named ${name} was opened`);
  return listener.port;
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
