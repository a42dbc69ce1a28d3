// One worker's data plane without the thread around it: applies table updates, listens, samples, drains.
//
// worker.ts puts it into a thread; tests run it in their own process.

import type { WorkerLoads } from '../endpoints/load-cell.ts';
import type { EjectionReason } from '../endpoints/outlier-detector.ts';
import { EndpointRegistry } from '../endpoints/registry.ts';
import type { LimitTable } from '../filters/limit-table.ts';
import { RequestLimits } from '../filters/limits.ts';
import type { RateStore, StoreFailure } from '../filters/rate-store.ts';
import { Balancing } from '../forward/balancing.ts';
import type { ProxyContext } from '../forward/context.ts';
import { currentTable } from '../forward/current-table.ts';
import { Hedging } from '../forward/hedging.ts';
import { BodyMemory } from '../forward/kept-body.ts';
import { Mirrors } from '../forward/mirror.ts';
import { TimerWheel } from '../forward/timer-wheel.ts';
import type { LiveEndpoints, UpstreamSlot } from '../forward/upstream-connection.ts';
import { UpstreamPool } from '../forward/upstream-pool.ts';
import { Listeners } from '../listen/listeners.ts';
import { LoopTurn } from '../listen/loop-turn.ts';
import { ReadBuffers } from '../listen/read-buffers.ts';
import { SecureContexts } from '../listen/secure-contexts.ts';
import {
  findHost,
  indexRoutes,
  type PreparedHosts,
  prepareHosts,
  type RouteIndex,
  updateIndex,
} from '../match/index.ts';
import { AccessLog } from '../observe/access-log.ts';
import type { Observer, RequestRecord } from '../observe/observer.ts';
import { requestIdSource } from '../observe/request-id.ts';
import { RequestMetrics, type RequestMetricsSettings } from '../observe/request-metrics.ts';
import { StreamLog } from '../stream/stream-log.ts';
import { StreamServices } from '../stream/stream-services.ts';
import { StreamWatch } from '../stream/stream-watch.ts';
import { emptyGlobal } from '../table/defaults.ts';
import type { GlobalSettings, RouteId, StreamId } from '../table/types.ts';
import type { FullUpdate, PartsUpdate, TableUpdate } from '../table/update.ts';
import type { EndpointNews, ListenerSettings, WorkerSample } from './messages.ts';
import { TICK_MS, type TickListener, Ticks } from './ticks.ts';
import { repeat } from './timers.ts';
import { sampleOf } from './worker-sample.ts';

/** The access log and the date: once a second. */
const TICKS_PER_SECOND = 1000 / TICK_MS;

export interface ProxyWorkerOptions {
  readonly ticketKeys: Uint8Array;
  readonly maxConnections: number;
  readonly staticReadBuffer: boolean;
  readonly reusePort: boolean;
  readonly requestMetrics: RequestMetricsSettings;
  /** Address for the ports of TCP and UDP services; '' is every address, or what the ConfigMap says. */
  readonly bindHost: string;
  readonly log: (level: 'debug' | 'info' | 'warn' | 'error', message: string, fields: Record<string, unknown>) => void;
  readonly writeAccessLog: (lines: string) => void;
  /** This worker's view of the counters that all workers share. */
  readonly limits: LimitTable;
  /** Counters of requests under way that all workers share; null: this worker counts alone. */
  readonly loads: WorkerLoads | null;
  /** This worker leaves an endpoint out: the others should hear of it. */
  readonly onEjected: (upstream: string, endpoint: string, untilMs: number, reason: EjectionReason) => void;
  /** As `StreamServicesOptions.onPortFault`. */
  readonly onPortFault: (id: StreamId, fault: string | null) => void;
  /** Monotonic milliseconds of the machine, the same in all workers. */
  readonly machineMs: () => number;
  /** Monotonic milliseconds; wall clock milliseconds; a number from 0 up to 1. */
  readonly monotonicMs: () => number;
  readonly wallMs: () => number;
  readonly random: () => number;
}

export class ProxyWorker implements Observer, TickListener {
  readonly #options: ProxyWorkerOptions;
  readonly #context: ProxyContext;
  readonly #contexts: SecureContexts;
  readonly #listeners: Listeners;
  readonly #metrics: RequestMetrics;
  readonly #accessLog: AccessLog;
  readonly #timer: Ticks;
  readonly #endpoints: LiveEndpoints;
  readonly #streamWatch: StreamWatch;
  readonly #streams: StreamServices;
  /** By reason. */
  readonly #ejections = new Map<EjectionReason, number>();
  #ticks = 0;
  readonly #connections = { accepted: 0, openPlain: 0, openTls: 0 };

  constructor(options: ProxyWorkerOptions) {
    this.#options = options;
    this.#metrics = new RequestMetrics(options.requestMetrics);
    this.#accessLog = new AccessLog(options.writeAccessLog);
    this.#contexts = new SecureContexts(
      (certificate, message) =>
        options.log('error', 'certificate cannot be used, the default one serves', { certificate, message }),
      (message) => options.log('error', 'ssl-ciphers cannot be used, the built-in list serves', { message }),
    );
    this.#endpoints = new EndpointRegistry<UpstreamSlot>({
      random: options.random,
      nowMs: options.machineMs,
      wallMs: options.wallMs,
      loads: options.loads,
      onEjected: ({ upstreamId, key }, untilMs, reason) => {
        this.#ejections.set(reason, (this.#ejections.get(reason) ?? 0) + 1);
        options.onEjected(upstreamId, key, untilMs, reason);
      },
      onEndpointRemoved: (endpoint) => this.#context.pool.closeIdle(endpoint),
    });
    this.#context = this.#createContext();
    const streamLog = new StreamLog(
      () => this.#context.current.global.stream,
      options.wallMs,
      (line) => this.#accessLog.addLine(line),
    );
    this.#streamWatch = new StreamWatch((record) => streamLog.add(record));
    this.#listeners = new Listeners(this.#context, this.#contexts, {
      ticketKeys: Buffer.from(options.ticketKeys),
      maxConnections: options.maxConnections,
      staticReadBuffer: options.staticReadBuffer,
      reusePort: options.reusePort,
      streams: this.#streamWatch,
    });
    this.#streams = new StreamServices({
      ...options,
      context: this.#context,
      observer: this.#streamWatch,
      adopter: this.#listeners.adopter,
      believes: (address) => this.#listeners.entrance.believes(address),
    });
    this.#timer = new Ticks(options.monotonicMs, this);
  }

  get revision(): number {
    return this.#context.current.revision;
  }

  /** Does ahead of `apply` what can be done in turns with requests: it yields when they should have one. */
  *prepare(update: TableUpdate): Generator<void, PreparedHosts | undefined> {
    // It may name what this worker does not know, and will not be applied.
    if (update.kind === 'parts' && update.baseRevision !== this.revision) return undefined;
    return yield* prepareHosts(this.#context.current.index, update);
  }

  /**
   * Applies an update in one step. False when it is built on a revision this worker does not have. `prepared` is what
   * `prepare` gave for it, with no other update applied since.
   */
  apply(update: TableUpdate, prepared?: PreparedHosts): boolean {
    if (update.kind === 'full') this.#applyFull(update, prepared);
    else if (update.baseRevision === this.revision) this.#applyParts(update, prepared);
    else return false;
    this.#context.mirrors.prepare(update.kind === 'full' ? update.table.virtualHosts : update.virtualHosts);
    return true;
  }

  /** Takes over what another thread has found out about an endpoint. */
  hear(news: EndpointNews): void {
    const upstream = this.#endpoints.get(news.upstream);
    if (news.type === 'ejected') upstream?.ejectedElsewhere(news.endpoint, news.untilMs);
    else upstream?.probed(news.endpoint, news.isFailing);
  }

  /** Lets replicas count rates together. */
  useRateStore(store: RateStore, onFailure: StoreFailure): void {
    this.#context.limits.useStore(store, onFailure);
  }

  listen(settings: ListenerSettings): Promise<number> {
    return this.#listeners.open(settings);
  }

  /** Ports of TCP and UDP services. They open and close by themselves as tables come. */
  get streams(): Pick<StreamServices, 'portOf' | 'settled'> {
    return this.#streams;
  }

  get mirrors(): Pick<Mirrors, 'isPrepared'> {
    return this.#context.mirrors;
  }

  /** Finishes what runs; gives how many connections had to be cut. */
  async drain(deadlineMs: number): Promise<number> {
    this.#context.isDraining = true;
    const cuts = await Promise.all([this.#listeners.drain(deadlineMs), this.#streams.drain(deadlineMs)]);
    this.#context.pool.closeAllIdle();
    this.#accessLog.flush();
    return cuts[0] + cuts[1];
  }

  close(): void {
    this.#timer.stop();
    this.#context.mirrors.close();
    this.#accessLog.flush();
  }

  sample(): WorkerSample {
    this.#forgetGoneRoutes(this.#context.current.index);
    return sampleOf({
      context: this.#context,
      metrics: this.#metrics,
      endpoints: this.#endpoints,
      loads: this.#options.loads,
      listeners: this.#listeners,
      streams: this.#streams,
      streamWatch: this.#streamWatch,
      ejections: this.#ejections,
      connections: this.#connections,
    });
  }

  /** Linear in the routes of hosts that have had requests. */
  #forgetGoneRoutes(index: RouteIndex): void {
    const idsByHost = new Map<string, ReadonlySet<RouteId>>();
    this.#metrics.retain((host, id) => {
      const ids = idsByHost.get(host) ?? new Set(findHost(index, host)?.source.routes.map((route) => route.id));
      idsByHost.set(host, ids);
      return ids.has(id);
    });
  }

  // ---- Observer

  onRequest(record: RequestRecord): void {
    this.#metrics.add(record);
    if (this.#isLogged(record)) this.#accessLog.add(record, this.#options.wallMs());
  }

  onConnectionOpened(isTls: boolean): void {
    this.#connections.accepted++;
    if (isTls) this.#connections.openTls++;
    else this.#connections.openPlain++;
  }

  onConnectionClosed(isTls: boolean): void {
    if (isTls) this.#connections.openTls--;
    else this.#connections.openPlain--;
  }

  /** The catch-all's built-in 404 is not logged by default (metrics-and-logs.md §3.3); refused requests are. */
  #isLogged(record: RequestRecord): boolean {
    const { global } = this.#context.current;
    if (!global.accessLog) return false;
    const { route } = record;
    if (route === null) return true;
    if (!route.policy.accessLog || record.reason === 'healthz') return false;
    return global.accessLogForDefaultBackend || record.virtualHost !== '_' || route.route.labels.ingress !== '';
  }

  #applyFull(update: FullUpdate, prepared?: PreparedHosts): void {
    const { table, material } = update;
    this.#contexts.add(material);
    this.#endpoints.replaceUpstreams(table.upstreams);
    this.#swap(currentTable(update.revision, indexRoutes(table, prepared), table.global), true);
    this.#streams.apply(table.streams);
    this.#contexts.retain(new Set(table.certificates.map((certificate) => certificate.id)));
  }

  #applyParts(update: PartsUpdate, prepared?: PreparedHosts): void {
    const before = this.#context.current;
    this.#contexts.add(update.material);
    this.#endpoints.applyUpstreams(update.upstreams, update.removedUpstreams);
    const index = updateIndex(before.index, update, prepared);
    const next =
      update.global === null
        ? { ...before, revision: update.revision, index }
        : currentTable(update.revision, index, update.global);
    this.#swap(next, update.global !== null);
    if (update.streams !== null) this.#streams.apply(update.streams);
    this.#contexts.remove(update.removedCertificates);
  }

  #swap(next: ProxyContext['current'], isGlobalNew: boolean): void {
    this.#context.current = next;
    if (!isGlobalNew) return;
    this.#contexts.configure(next.global);
    this.#listeners.refreshDefaultContext();
  }

  // ---- TickListener

  onTime(nowMs: number): void {
    this.#context.wheel.nowMs = nowMs;
  }

  onTick(): void {
    this.#context.wheel.fire();
    this.#endpoints.tick();
    this.#streams.tick();
    this.#ticks++;
    if (this.#ticks % TICKS_PER_SECOND !== 0) return;
    this.#context.dateLine = renderDateLine(this.#options.wallMs());
    this.#accessLog.flush();
  }

  #createContext(): ProxyContext {
    const { monotonicMs, wallMs } = this.#options;
    const wheel = new TimerWheel(monotonicMs(), TICK_MS);
    const buffers = new ReadBuffers();
    const turn = new LoopTurn();
    const global: GlobalSettings = emptyGlobal;
    const empty = {
      format: 1,
      global,
      policies: {},
      virtualHosts: [],
      upstreams: [],
      certificates: [],
      streams: [],
    } as const;
    const worker = this;
    const pool = new UpstreamPool({
      wheel,
      buffers,
      turn,
      get global() {
        return worker.#context.current.global;
      },
    });
    return {
      current: currentTable(0, indexRoutes(empty), global),
      wheel,
      buffers,
      turn,
      endpoints: this.#endpoints,
      balancing: new Balancing({ nowMs: this.#options.machineMs, wallMs, random: this.#options.random }),
      pool,
      observer: this,
      limits: new RequestLimits(this.#options.limits, this.#options.machineMs),
      mirrors: new Mirrors(() => worker.#context.current.global.mirrorLimits, wheel),
      bodies: new BodyMemory(() => worker.#context.current.global.bodyLimits),
      hedging: new Hedging(monotonicMs, repeat),
      dateLine: renderDateLine(wallMs()),
      isDraining: false,
      nextRequestId: requestIdSource(),
      preciseNowMs: monotonicMs,
    };
  }
}

/** IMF-fixdate (RFC 9110 §5.6.7), which is what `toUTCString` gives. */
function renderDateLine(wallMs: number): string {
  return `Date: ${new Date(wallMs).toUTCString()}\r\n`;
}
