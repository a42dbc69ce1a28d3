// A simulation of load balancing: the proxy's own registries, balancers, shared counters and health checks against
// simulated servers, in virtual time and with seeded chance, so that a figure is the same on every machine.
//
// Two workers get every second request each. An attempt that fails is followed by another endpoint, three in all, as
// by `proxy-next-upstream`.

import { seededRandom } from '#proxy/balance/testing/endpoints.ts';
import { LoadDirectory } from '#proxy/endpoints/load-directory.ts';
import { EndpointRegistry, type EndpointState, type UpstreamState } from '#proxy/endpoints/registry.ts';
import { allocateSharedLoads, SharedLoads } from '#proxy/endpoints/shared-loads.ts';
import { plainEndpoint, plainUpstream } from '#proxy/table/defaults.ts';
import type { Upstream } from '#proxy/table/types.ts';
import type { BalancerSettings } from '#proxy/table/upstream-settings.ts';
import { EventQueue } from './event-queue.ts';
import { medianServiceMs, type ServerSettings, SimulatedServer, serverThreads } from './simulated-server.ts';

export interface Scenario {
  readonly name: string;
  /** One per endpoint, in the order of the table. */
  readonly servers: readonly ServerSettings[];
  /** The last server comes at half time. */
  readonly isLastJoining: boolean;
  /** Requests per second over both workers. */
  readonly ratePerSecond: number;
}

/** `best`: whoever knows all speeds and queues chooses; what no balancer can beat by much. */
export type Algorithm = { readonly name: string; readonly settings: BalancerSettings | 'best' };

export interface Result {
  /** Percent of the attempts that each server got, in its lifetime. */
  readonly sharesPercent: readonly number[];
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly requests: number;
  /** Requests that the client saw fail. */
  readonly errors: number;
  readonly failedAttempts: number;
}

const workers = 2;
const warmUpMs = 5_000;
const measuredMs = 20_000;
const maxAttempts = 3;
/** Different clients or paths, for balancers that hash. */
const keyCount = 2_000;
/** A clock of today: scores start at the epoch. */
const startMs = 1_700_000_000_000;

/** Runs one scenario with one algorithm. Deterministic for a seed. */
export function simulate(scenario: Scenario, algorithm: Algorithm, seed = 1): Result {
  return new Simulation(scenario, algorithm, seed).run();
}

class Simulation {
  readonly #scenario: Scenario;
  readonly #algorithm: Algorithm;
  readonly #random: () => number;
  readonly #events = new EventQueue(startMs);
  readonly #servers: readonly SimulatedServer[];
  readonly #byKey = new Map<string, SimulatedServer>();
  readonly #registries: readonly EndpointRegistry[];
  readonly #directory: LoadDirectory;
  readonly #latencies: number[] = [];
  #errors = 0;
  #failedAttempts = 0;
  #arrivedBefore: readonly number[] = [];
  #sent = 0;

  constructor(scenario: Scenario, algorithm: Algorithm, seed: number) {
    this.#scenario = scenario;
    this.#algorithm = algorithm;
    this.#random = seededRandom(seed);
    this.#servers = scenario.servers.map((settings) => new SimulatedServer(settings, this.#events, this.#random));
    for (const [at, server] of this.#servers.entries()) this.#byKey.set(`10.0.0.${at + 1}:80`, server);
    const loads = new SharedLoads(allocateSharedLoads(workers, 64));
    this.#directory = new LoadDirectory(loads);
    this.#registries = Array.from({ length: workers }, (_, column) => this.#startWorker(loads, column));
    this.#publish(scenario.servers.length - (scenario.isLastJoining ? 1 : 0));
  }

  run(): Result {
    const endsAtMs = startMs + warmUpMs + measuredMs;
    const halfMs = warmUpMs + measuredMs / 2;
    const countedFromMs = this.#scenario.isLastJoining ? halfMs : warmUpMs;
    if (this.#scenario.isLastJoining) this.#events.after(halfMs, () => this.#publish(this.#servers.length));
    this.#events.after(countedFromMs, () => {
      this.#arrivedBefore = this.#servers.map(({ arrived }) => arrived);
    });
    this.#tickUntil(endsAtMs);
    this.#sendUntil(endsAtMs);
    this.#events.runAll();
    return this.#result();
  }

  #startWorker(loads: SharedLoads, column: number): EndpointRegistry {
    return new EndpointRegistry({
      random: this.#random,
      nowMs: () => this.#events.nowMs,
      loads: { loads, column },
      onEndpointRemoved: () => undefined,
      onEjected: ({ key }, untilMs) => {
        for (const registry of this.#registries) registry.get('u')?.ejectedElsewhere(key, untilMs);
      },
    });
  }

  #publish(endpointCount: number): void {
    const { settings } = this.#algorithm;
    const endpoints = Array.from({ length: endpointCount }, (_, at) => plainEndpoint(`10.0.0.${at + 1}`, 80));
    const balancer: BalancerSettings = settings === 'best' ? { kind: 'roundRobin' } : settings;
    const upstream: Upstream = { ...plainUpstream('u', endpoints), balancer };
    this.#directory.apply([upstream], []);
    for (const registry of this.#registries) registry.applyUpstreams([upstream], []);
  }

  #tickUntil(endsAtMs: number): void {
    for (const registry of this.#registries) registry.tick();
    if (this.#events.nowMs < endsAtMs) this.#events.after(100, () => this.#tickUntil(endsAtMs));
  }

  /** Requests come at random moments (a Poisson process). */
  #sendUntil(endsAtMs: number): void {
    if (this.#events.nowMs >= endsAtMs) return;
    const upstream = this.#registries[this.#sent % workers]?.get('u');
    const key = `/item/${Math.floor(this.#random() * keyCount)}`;
    this.#sent++;
    if (upstream !== undefined) this.#attempt(upstream, key, this.#events.nowMs, []);
    const gapMs = (-Math.log(1 - this.#random()) * 1000) / this.#scenario.ratePerSecond;
    this.#events.after(gapMs, () => this.#sendUntil(endsAtMs));
  }

  #attempt(upstream: UpstreamState, key: string, sentAtMs: number, tried: EndpointState[]): void {
    const endpoint = this.#algorithm.settings === 'best' ? this.#best(upstream, tried) : upstream.pick(tried, key);
    const server = endpoint === null ? undefined : this.#byKey.get(endpoint.key);
    if (endpoint === null || server === undefined) return this.#finish(sentAtMs, false);
    const startedAtMs = this.#events.nowMs;
    const turn = endpoint.begin();
    server.handle((isGood) => {
      const tookMs = this.#events.nowMs - startedAtMs;
      endpoint.end(turn);
      if (isGood) {
        upstream.onAnswered(endpoint, tookMs);
        return this.#finish(sentAtMs, true);
      }
      upstream.onFailed(endpoint, tookMs);
      this.#failedAttempts++;
      if (tried.length + 1 >= maxAttempts) return this.#finish(sentAtMs, false);
      this.#attempt(upstream, key, sentAtMs, [...tried, endpoint]);
    });
  }

  /** The endpoint where the request would be done first, as far as means can tell. */
  #best(upstream: UpstreamState, tried: readonly EndpointState[]): EndpointState | null {
    let best: EndpointState | null = null;
    let least = Number.POSITIVE_INFINITY;
    for (const endpoint of upstream.endpoints) {
      const server = this.#byKey.get(endpoint.key);
      if (server === undefined || server.settings.isFailing || tried.includes(endpoint)) continue;
      const queued = Math.max(0, server.load + 1 - serverThreads);
      const doneMs = medianServiceMs * server.settings.slowness * (1 + queued / serverThreads) + this.#random();
      if (doneMs >= least) continue;
      least = doneMs;
      best = endpoint;
    }
    return best;
  }

  #finish(sentAtMs: number, isGood: boolean): void {
    if (sentAtMs < startMs + warmUpMs) return;
    if (isGood) this.#latencies.push(this.#events.nowMs - sentAtMs);
    else this.#errors++;
  }

  #result(): Result {
    const sorted = this.#latencies.toSorted((a, b) => a - b);
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    const arrived = this.#servers.map((server, index) => server.arrived - (this.#arrivedBefore[index] ?? 0));
    const total = arrived.reduce((sum, count) => sum + count, 0);
    return {
      sharesPercent: arrived.map((count) => (100 * count) / total),
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      requests: sorted.length + this.#errors,
      errors: this.#errors,
      failedAttempts: this.#failedAttempts,
    };
  }
}
