// One upstream in this worker: its endpoints, its balancer, and what their answers have shown. The same object over all
// table swaps while its id exists.
//
// What the data path calls, in this order; docs/design/0008-load-balancing.md has the whole contract:
//   pick(tried, key)                   -> an endpoint, or null
//   probe = begin(endpoint)               the attempt counts, unless the endpoint is FULL by now: then pick again
//   onAnswered(endpoint, latencyMs)       the head of a good answer is there, or
//   onFailed(endpoint, elapsedMs)         the attempt failed; neither when the client went away
//   endpoint.end(probe)                   the attempt is over, also when its response took an hour

import { type AffinityIndex, AffinityKeys, BalancedAffinity, PersistentAffinity } from '../balance/affinity.ts';
import type { Balancer } from '../balance/balancer.ts';
import { createBalancer, keySourceOf } from '../balance/create-balancer.ts';
import { startingScore } from '../balance/latency-score.ts';
import { selectEndpoints, servingEndpoints } from '../balance/select.ts';
import { slowStartShare } from '../balance/slow-start.ts';
import { plainUpstream } from '../table/defaults.ts';
import { equalJson } from '../table/equal.ts';
import type { AffinitySettings } from '../table/route-settings.ts';
import type { Upstream, UpstreamId } from '../table/types.ts';
import { endpointKey } from './endpoint-key.ts';
import { EndpointRoom } from './endpoint-room.ts';
import { EndpointState } from './endpoint-state.ts';
import { findCell, LoadTotal, type WorkerLoads } from './load-cell.ts';
import { needsLatency, needsSharedLoad, outlierSettings } from './needs.ts';
import { type EjectionReason, OutlierDetector } from './outlier-detector.ts';
import { UpstreamGate } from './upstream-gate.ts';

/** What upstreams of one worker share. */
export interface UpstreamEnvironment<Slot> {
  /** From 0 up to 1, as `Math.random`. */
  readonly random: () => number;
  /** Milliseconds, the same clock in all workers of the process. */
  readonly nowMs: () => number;
  /** Wall clock, milliseconds: for keys of affinity cookies. */
  readonly wallMs: () => number;
  /** null: picks look at this worker's requests only. */
  readonly loads: WorkerLoads | null;
  /** This worker leaves an endpoint out until then: the others should be told. */
  readonly onEjected: (endpoint: EndpointState<Slot>, untilMs: number, reason: EjectionReason) => void;
}

export class UpstreamState<Slot = unknown> {
  readonly id: UpstreamId;
  readonly #environment: UpstreamEnvironment<Slot>;
  #settings: Upstream;
  #endpoints: readonly EndpointState<Slot>[] = [];
  #members: readonly EndpointState<Slot>[] = [];
  /** Where clients of affinity may be bound: members, and those of other zones. */
  #bindable: readonly EndpointState<Slot>[] = [];
  /** Endpoints that left with requests under way, by key: their addresses may come back before these are over. */
  readonly #leaving = new Map<string, EndpointState<Slot>>();
  #balancer: Balancer<EndpointState<Slot>>;
  #detector: OutlierDetector<EndpointState<Slot>> | null;
  readonly #total = new LoadTotal();
  readonly #room = new EndpointRoom<EndpointState<Slot>>();
  /** null until a route asks for one: most upstreams have none. */
  #affinities: Map<AffinitySettings['mode'], AffinityIndex<EndpointState<Slot>>> | null = null;
  #available: readonly EndpointState<Slot>[] = [];
  #gate: UpstreamGate | null = null;
  #isPanic = false;
  /** Those that were left out and may be tried again. */
  #recovering: readonly EndpointState<Slot>[] = [];
  /** What every request asks of the settings, answered when they change. */
  #keySource: ReturnType<typeof keySourceOf> = 'none';
  #needsLatency = false;
  #isWarmingUp = false;

  constructor(id: UpstreamId, environment: UpstreamEnvironment<Slot>) {
    this.id = id;
    this.#environment = environment;
    this.#settings = plainUpstream(id, []);
    this.#balancer = this.#createBalancer();
    this.#detector = this.#createDetector();
  }

  /** Endpoints in force, sorted as in the table. */
  get endpoints(): readonly EndpointState<Slot>[] {
    return this.#endpoints;
  }

  /** Settings in force. */
  get settings(): Upstream {
    return this.#settings;
  }

  /** Endpoints that may be picked as far as readiness and zone go, whatever their health. The same array until they change. */
  get members(): readonly EndpointState<Slot>[] {
    return this.#members;
  }

  /** What `pick` must be given as key. */
  get keySource(): ReturnType<typeof keySourceOf> {
    return this.#keySource;
  }

  /** Whether `latencyMs` of `onAnswered` is looked at; measure nothing otherwise. */
  get needsLatency(): boolean {
    return this.#needsLatency;
  }

  /** All members are out, so that all are used. */
  get isPanic(): boolean {
    return this.#isPanic;
  }

  /** True while `tick` has something to do. */
  get isRestless(): boolean {
    return this.#isWarmingUp || (this.#detector?.isRestless ?? false) || (this.#gate?.isRestless ?? false);
  }

  /**
   * Chooses an endpoint for one attempt. `tried` holds the endpoints this request must not get again; null for none.
   * `key` is what `keySource` asks for; null from a caller that has none, whose requests then spread. `mayProbe`: the request can be sent again if it fails, so that it may try an
   * endpoint that was ejected. null when there is no endpoint, or none that is untried.
   */
  pick(
    tried: readonly EndpointState<Slot>[] | null,
    key: string | null = null,
    mayProbe = true,
  ): EndpointState<Slot> | null {
    if (mayProbe && this.#recovering.length > 0) {
      const probe = this.pickProbe(tried);
      if (probe !== null) return probe;
    }
    const endpoint = this.#balancer.pick(tried, key ?? this.#anyKey());
    if (endpoint === null) return tried === null ? null : this.#pickFar(tried);
    if (!this.#room.isFull(endpoint)) return endpoint;
    return this.#room.pickOther(endpoint, tried, (full) => this.#balancer.pick(full, key ?? this.#anyKey()));
  }

  /** An endpoint that was left out and may be tried again, by the one request that begins there next; null when there is none. */
  pickProbe(tried: readonly EndpointState<Slot>[] | null): EndpointState<Slot> | null {
    for (const endpoint of this.#recovering) {
      if (!endpoint.outlier.isProbing && !tried?.includes(endpoint) && !this.isFull(endpoint)) return endpoint;
    }
    return null;
  }

  /**
   * For a request that has failed at every other endpoint: one that is left out and that it has not been sent to. It may
   * be well again since, and some answer is better than none. null when there is none.
   */
  pickLeftOut(tried: readonly EndpointState<Slot>[]): EndpointState<Slot> | null {
    const isLeft = (endpoint: EndpointState<Slot>) =>
      !endpoint.isAvailable && !tried.includes(endpoint) && !this.isFull(endpoint);
    // What its requests have shown may be over; a check that fails was asked just now.
    return this.#bindable.find((each) => isLeft(each) && !each.isProbeFailing) ?? this.#bindable.find(isLeft) ?? null;
  }

  /** All near endpoints have failed a request: one of another zone is better than an error, before health has found out. */
  #pickFar(tried: readonly EndpointState<Slot>[]): EndpointState<Slot> | null {
    if (this.#bindable.length === this.#members.length) return null;
    const isOpen = (each: EndpointState<Slot>) => each.isAvailable && !tried.includes(each) && !this.isFull(each);
    const open = this.#bindable.filter(isOpen);
    return open[Math.floor(this.#environment.random() * open.length)] ?? null;
  }

  /** Circuit breaking: ask it for a place before the first pick; null when the upstream has no limits. */
  get gate(): UpstreamGate | null {
    return this.#gate;
  }

  /** An endpoint that was left out may be tried again: only then does `mayProbe` of `pick` matter. */
  get isRecovering(): boolean {
    return this.#recovering.length > 0;
  }

  /**
   * Counts an attempt at an endpoint that was picked in, as `begin` of the endpoint; FULL, and nothing counted, when other
   * workers have filled it since the pick.
   */
  begin(endpoint: EndpointState<Slot>): number {
    return this.#room.begin(endpoint);
  }

  /** It has as many requests as its limit allows. */
  isFull(endpoint: EndpointState<Slot>): boolean {
    return this.#room.isFull(endpoint);
  }

  /** An endpoint that may be picked has less than its limit; also true when there is none at all. */
  get hasRoom(): boolean {
    return this.#room.hasRoom(this.load);
  }

  /** Requests under way to all endpoints, over all workers where the settings ask for that. */
  get load(): number {
    return this.#total.load;
  }

  /** Where clients with an affinity cookie belong; built when a route first asks, kept up to date from then on. */
  affinity(mode: AffinitySettings['mode']): AffinityIndex<EndpointState<Slot>> {
    this.#affinities ??= new Map();
    let index = this.#affinities.get(mode);
    if (index === undefined) {
      index =
        mode === 'balanced'
          ? new BalancedAffinity(new AffinityKeys(this.#environment))
          : new PersistentAffinity(this.id, this.#environment.random);
      this.#affinities.set(mode, index);
      index.update(this.#bindable, this.#available);
      this.#recovering = this.#recoveringOnes();
    }
    return index;
  }

  /** The head of an answer that is no failure came `latencyMs` after the attempt began. */
  onAnswered(endpoint: EndpointState<Slot>, latencyMs: number): void {
    if (this.#needsLatency) endpoint.score.observe(latencyMs, this.#environment.nowMs());
    const detector = this.#detector;
    if (detector === null) return;
    // A closed endpoint only counts: no clock is read for it.
    if (endpoint.outlier.phase === 'closed') return endpoint.outlier.countAnswer(latencyMs);
    detector.onAnswered(endpoint, latencyMs, this.#environment.nowMs(), this.#isPanic);
  }

  /** The attempt failed: no connection, reset, time-out, no valid head, or one of `isFailureStatus`. */
  onFailed(endpoint: EndpointState<Slot>, elapsedMs: number): void {
    const nowMs = this.#environment.nowMs();
    if (this.#needsLatency) endpoint.score.observeFailure(elapsedMs, nowMs);
    if (!endpoint.draining) this.#detector?.onFailed(endpoint, nowMs);
  }

  /**
   * The attempt was given up unanswered after `elapsedMs`, because another endpoint was faster. No failure, but without it
   * an endpoint that always loses would keep the score of better days.
   */
  onOvertaken(endpoint: EndpointState<Slot>, elapsedMs: number): void {
    if (this.#needsLatency) endpoint.score.observeFailure(elapsedMs, this.#environment.nowMs());
  }

  /** Another worker has ejected the endpoint; one that is not known here is none of ours. */
  ejectedElsewhere(key: string, untilMs: number): void {
    const endpoint = this.#find(key);
    if (endpoint !== undefined) this.#detector?.onEjectedElsewhere(endpoint, untilMs, this.#environment.nowMs());
  }

  /** What the probes of an active check say of an endpoint. */
  probed(key: string, isFailing: boolean): void {
    const endpoint = this.#find(key);
    if (endpoint === undefined || endpoint.isProbeFailing === isFailing) return;
    endpoint.isProbeFailing = isFailing;
    if (!isFailing) this.#startSlowly(endpoint);
    this.#select();
  }

  /** Ends ejections, judges windows, raises weights. Call it about ten times a second while `isRestless`. */
  tick(): void {
    this.#detector?.tick(this.#environment.nowMs());
    this.#gate?.tick(this.#environment.nowMs());
    if (this.#isWarmingUp) this.#select();
  }

  /** For the registry: takes over the table's settings and endpoints, and gives the endpoints that left. */
  apply(upstream: Upstream): readonly EndpointState<Slot>[] {
    const before = this.#settings;
    this.#settings = upstream;
    this.#keySource = keySourceOf(upstream.balancer);
    this.#needsLatency = needsLatency(upstream);
    this.#room.configure(upstream.limits);
    const left = this.#replaceEndpoints(upstream);
    // Without checks nobody would ever say that an endpoint is well again.
    if (upstream.health.active === null) for (const state of this.#endpoints) state.isProbeFailing = false;
    this.#attachCounters();
    if (!equalJson(upstream.health.passive, before.health.passive)) this.#detector = this.#createDetector();
    this.#detector?.update(servingEndpoints(this.#endpoints));
    if (!equalJson(upstream.balancer, before.balancer)) {
      this.#balancer = this.#createBalancer();
      this.#members = [];
    }
    this.#select();
    // Last: who waits goes on where limits are lifted, and picks at once.
    this.#applyLimits();
    return left;
  }

  #replaceEndpoints({ endpoints }: Upstream): readonly EndpointState<Slot>[] {
    const left = new Map(this.#endpoints.map((state) => [state.key, state]));
    const isFirst = left.size === 0;
    this.#endpoints = endpoints.map((endpoint) => {
      const key = endpointKey(endpoint);
      const known = left.get(key);
      left.delete(key);
      const state = known ?? this.#comeBack(key) ?? new EndpointState<Slot>(this.id, endpoint, this.#total);
      state.configure(endpoint);
      // All of a new upstream would start slowly together, to no effect.
      if (known === undefined && !isFirst) this.#startSlowly(state);
      return state;
    });
    for (const [key, state] of this.#leaving) if (state.inFlight === 0) this.#leaving.delete(key);
    for (const [key, state] of left) {
      state.leave();
      if (state.inFlight > 0) this.#leaving.set(key, state);
    }
    return [...left.values()];
  }

  /** An endpoint that left a moment ago, as by a failed readiness probe, still has its requests: they count. */
  #comeBack(key: string): EndpointState<Slot> | undefined {
    const state = this.#leaving.get(key);
    this.#leaving.delete(key);
    if (state === undefined || state.inFlight === 0) return undefined;
    state.comeBack();
    return state;
  }

  #startSlowly(state: EndpointState<Slot>): void {
    if (this.#settings.health.slowStartMs > 0) state.joinedAtMs = this.#environment.nowMs();
  }

  #applyLimits(): void {
    const { limits } = this.#settings;
    if (limits === null) {
      this.#gate?.close();
      this.#gate = null;
    } else if (this.#gate === null) {
      const { loads, nowMs } = this.#environment;
      const hasRoom = () => this.hasRoom;
      this.#gate = new UpstreamGate(limits, { upstreamId: this.id, loads, nowMs, hasRoom });
    } else {
      this.#gate.configure(limits);
    }
  }

  #attachCounters(): void {
    const loads = needsSharedLoad(this.#settings) ? this.#environment.loads : null;
    for (const state of [this.#total, ...this.#endpoints]) {
      // Who has a row keeps it: the main thread frees none that is in use.
      if (loads === null) state.countIn(null);
      else if (state.cell === null)
        state.countIn(findCell(loads, this.id, state instanceof EndpointState ? state.key : ''));
      if (state.cell !== null) state.cell.isExact = this.#settings.limits !== null;
    }
    if (!this.#needsLatency) return;
    const nowMs = this.#environment.nowMs();
    const start = startingScore(this.#endpoints.map((state) => state.scoreMs(nowMs)));
    if (start === 0) return;
    for (const { score } of this.#endpoints) if (score.isUnknown) score.reset(start, nowMs);
  }

  /** Chooses again what may be picked, and tells the balancer. */
  #select(): void {
    this.#weigh();
    const { bindable, members, available, isPanic } = selectEndpoints(this.#endpoints, this.#settings.zone);
    // Rings know by the identity of the list that they need not be built again.
    if (!isSameList(members, this.#members)) this.#members = members;
    if (!isSameList(bindable, this.#bindable)) this.#bindable = bindable;
    for (const state of this.#endpoints) state.isAvailable = isPanic || !state.isOut;
    this.#isPanic = isPanic;
    this.#recovering = this.#recoveringOnes();
    this.#available = available;
    this.#room.update(available);
    this.#balancer.update(this.#members, available);
    for (const index of this.#affinities?.values() ?? []) index.update(this.#bindable, available);
  }

  /** Far ones where clients may be bound to them: nobody else would ever find out that these are well again. */
  #recoveringOnes(): readonly EndpointState<Slot>[] {
    return (this.#affinities === null ? this.#members : this.#bindable).filter(isRecoveringEndpoint);
  }

  #weigh(): void {
    const { slowStartMs } = this.#settings.health;
    this.#isWarmingUp = false;
    const nowMs = slowStartMs === 0 ? 0 : this.#environment.nowMs();
    for (const state of this.#endpoints) {
      const { joinedAtMs } = state;
      const isWarm = slowStartMs === 0 || joinedAtMs === null;
      const share = isWarm ? 1 : slowStartShare(nowMs - joinedAtMs, slowStartMs);
      state.weight = state.tableWeight * share;
      if (share < 1) this.#isWarmingUp = true;
    }
  }

  #anyKey(): string {
    return this.#keySource === 'none' ? '' : `${this.#environment.random()}`;
  }

  #find(key: string): EndpointState<Slot> | undefined {
    return this.#endpoints.find((state) => state.key === key);
  }

  #createBalancer(): Balancer<EndpointState<Slot>> {
    const { random, nowMs } = this.#environment;
    return createBalancer(this.#settings.balancer, { random, nowMs, totalLoad: () => this.#total.load });
  }

  #createDetector(): OutlierDetector<EndpointState<Slot>> | null {
    const settings = outlierSettings(this.#settings.health);
    const { onEjected, nowMs } = this.#environment;
    if (settings === null) {
      for (const endpoint of this.#endpoints) endpoint.forgetOutlier();
      return null;
    }
    const events = {
      onEjected,
      onChanged: () => this.#select(),
      onReadmitted: (endpoint: EndpointState<Slot>) => this.#startSlowly(endpoint),
    };
    return new OutlierDetector(settings, events, nowMs());
  }
}

/** Its time is up; where it has checks as well, they bring it back first. */
function isRecoveringEndpoint({ outlierPhase, isProbeFailing }: EndpointState<unknown>): boolean {
  return outlierPhase === 'halfOpen' && !isProbeFailing;
}

function isSameList<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, at) => item === b[at]);
}

/** Statuses that count as a failed attempt for passive health: what a proxy or a dying server answers. */
export function isFailureStatus(status: number): boolean {
  return status === 502 || status === 503 || status === 504;
}
