// The data path of a worker with its parts in reach: the clock is moved by hand, and everything that must be zero when
// all is over can be counted. For tests of time limits and leaks; TestProxy runs the real worker.

import type { WorkerLoads } from '../../endpoints/load-cell.ts';
import { LoadDirectory } from '../../endpoints/load-directory.ts';
import { EndpointRegistry } from '../../endpoints/registry.ts';
import { allocateSharedLoads, SharedLoads } from '../../endpoints/shared-loads.ts';
import { createLimitMemory, LimitTable } from '../../filters/limit-table.ts';
import { RequestLimits } from '../../filters/limits.ts';
import { Listeners } from '../../listen/listeners.ts';
import { LoopTurn } from '../../listen/loop-turn.ts';
import { ReadBuffers } from '../../listen/read-buffers.ts';
import { SecureContexts } from '../../listen/secure-contexts.ts';
import { indexRoutes } from '../../match/index.ts';
import type { Observer, RequestRecord } from '../../observe/observer.ts';
import { StreamWatch } from '../../stream/stream-watch.ts';
import type { GlobalSettings, RoutingTable } from '../../table/types.ts';
import { Balancing } from '../balancing.ts';
import type { ProxyContext } from '../context.ts';
import { currentTable } from '../current-table.ts';
import { Hedging } from '../hedging.ts';
import { BodyMemory } from '../kept-body.ts';
import { Mirrors } from '../mirror.ts';
import { TimerWheel } from '../timer-wheel.ts';
import type { LiveEndpoints, UpstreamSlot } from '../upstream-connection.ts';
import { UpstreamPool } from '../upstream-pool.ts';
import { type TestRoute, tableOf } from './test-proxy.ts';

/** What is noted of a finished request. */
export interface NotedRequest {
  readonly status: number;
  readonly reason: string;
  readonly attempts: readonly number[];
}

/** What must be zero when nothing runs any more. */
export interface Leftovers {
  readonly inFlight: number;
  readonly openConnections: number;
  readonly upstreamConnections: number;
  readonly idleUpstreamConnections: number;
  readonly deadlines: number;
  readonly heldBodyBytes: number;
}

export const NOTHING_LEFT: Leftovers = {
  inFlight: 0,
  openConnections: 0,
  upstreamConnections: 0,
  idleUpstreamConnections: 0,
  deadlines: 0,
  heldBodyBytes: 0,
};

export class DataPath implements Observer {
  readonly context: ProxyContext;
  readonly requests: NotedRequest[] = [];
  readonly limits = new LimitTable(createLimitMemory({ entries: 1024, columns: 1 }, 1), 0);
  readonly #endpoints: LiveEndpoints;
  readonly #pool: UpstreamPool;
  readonly #listeners: Listeners;
  /** Turns the wheel of short delays, while it wants to be turned. */
  #fineTick: (() => void) | null = null;
  #open = 0;
  #ids = 0;
  port = 0;

  constructor(table: RoutingTable, staticReadBuffer: boolean, loads: WorkerLoads | null = null) {
    const wheel = new TimerWheel(0);
    const buffers = new ReadBuffers();
    const turn = new LoopTurn();
    this.#endpoints = new EndpointRegistry<UpstreamSlot>({
      random: () => 0,
      nowMs: () => wheel.nowMs,
      loads,
      onEndpointRemoved: (endpoint) => this.#pool.closeIdle(endpoint),
    });
    this.#endpoints.replaceUpstreams(table.upstreams);
    const path = this;
    this.#pool = new UpstreamPool({
      wheel,
      buffers,
      turn,
      get global() {
        return path.context.current.global;
      },
    });
    this.context = {
      current: currentTable(1, indexRoutes(table), table.global),
      wheel,
      buffers,
      turn,
      endpoints: this.#endpoints,
      balancing: new Balancing({ nowMs: () => wheel.nowMs, wallMs: () => wheel.nowMs, random: () => 0 }),
      pool: this.#pool,
      observer: this,
      limits: new RequestLimits(this.limits, () => wheel.nowMs),
      mirrors: new Mirrors(() => path.context.current.global.mirrorLimits, wheel),
      bodies: new BodyMemory(() => path.context.current.global.bodyLimits),
      hedging: new Hedging(
        () => wheel.nowMs,
        (run) => {
          this.#fineTick = run;
          return () => {
            this.#fineTick = null;
          };
        },
      ),
      dateLine: 'Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n',
      isDraining: false,
      nextRequestId: () => (++this.#ids).toString(16).padStart(32, '0'),
      preciseNowMs: () => wheel.nowMs,
    };
    const contexts = new SecureContexts(
      () => {},
      () => {},
    );
    this.#listeners = new Listeners(this.context, contexts, {
      ticketKeys: Buffer.alloc(48),
      maxConnections: 1000,
      staticReadBuffer,
      reusePort: false,
      streams: new StreamWatch(() => {}),
    });
  }

  async listen(): Promise<this> {
    this.port = await this.#listeners.open({ name: 'http', protocol: 'http', host: '127.0.0.1', port: 0 });
    return this;
  }

  /** Lets `ms` pass for every deadline. */
  pass(ms: number): void {
    const { wheel } = this.context;
    wheel.advance(wheel.nowMs + ms);
    this.#fineTick?.();
    this.#endpoints.tick();
  }

  /** Shares no memory for bodies: of each no more is read ahead than `client-body-buffer-size`. */
  shareNoBodyMemory(): void {
    const { current } = this.context;
    const bodyLimits = { maxBodyBytes: 0, maxMemoryBytes: 0 };
    this.context.current = { ...current, global: { ...current.global, bodyLimits } };
  }

  /** Ends everything at once, as the worker does when its drain deadline has come. */
  async cutAll(): Promise<void> {
    this.context.isDraining = true;
    await this.#listeners.drain(0);
    this.#pool.closeAllIdle();
  }

  /** Cut between requests because the client took nothing. */
  get stalledConnections(): number {
    return this.#listeners.streams.stalledConnections;
  }

  leftovers(): Leftovers {
    let inFlight = 0;
    for (const upstream of this.#endpoints.upstreams()) {
      for (const endpoint of upstream.endpoints) inFlight += endpoint.inFlight;
    }
    return {
      inFlight,
      openConnections: this.#open,
      upstreamConnections: this.#pool.size,
      idleUpstreamConnections: this.#pool.idleCount,
      deadlines: this.context.wheel.size,
      heldBodyBytes: this.context.bodies.bytes,
    };
  }

  onRequest(record: RequestRecord): void {
    const attempts = record.attempts.slice(0, record.attemptCount).map((attempt) => attempt.status);
    this.requests.push({ status: record.status, reason: record.reason, attempts });
  }

  onConnectionOpened(): void {
    this.#open++;
  }

  onConnectionClosed(): void {
    this.#open--;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cutAll();
  }
}

/** Starts a data path that serves these routes on a free loopback port. */
export function startDataPath(
  routes: readonly TestRoute[],
  global: Partial<GlobalSettings> = {},
  staticReadBuffer = true,
): Promise<DataPath> {
  return new DataPath(tableOf(routes, global), staticReadBuffer).listen();
}

export interface SharedParts {
  readonly loads?: SharedLoads;
  readonly global?: Partial<GlobalSettings>;
}

/** The same for one of two workers: its counters are in shared memory, and the test may count for the other one. */
export async function startSharedPath(
  routes: readonly TestRoute[],
  { loads = new SharedLoads(allocateSharedLoads(2, 64)), global = {} }: SharedParts = {},
): Promise<{ readonly proxy: DataPath; readonly loads: SharedLoads }> {
  const table = tableOf(routes, global);
  new LoadDirectory(loads).apply(table.upstreams, []);
  return { proxy: await new DataPath(table, true, { loads, column: 0 }).listen(), loads };
}

/** Waits until `isDone`; fails after 10 s with what `describe` says. Polls each turn of the event loop. */
export async function eventually(isDone: () => boolean, describe: () => unknown = () => ''): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!isDone()) {
    if (performance.now() > deadline) throw new Error(`timed out: ${JSON.stringify(describe())}`);
    await new Promise(setImmediate);
  }
}
