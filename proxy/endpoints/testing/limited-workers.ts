// An upstream with limits in several workers, under everything that can change: requests, limits, endpoints, workers that
// die, updates that are given up. Requests do what `forward/attempts.ts` does; each rule that is broken is written down.

import type { Upstream } from '../../table/types.ts';
import { FULL } from '../endpoint-room.ts';
import type { EndpointState } from '../endpoint-state.ts';
import { LoadDirectory } from '../load-directory.ts';
import type { Waiter } from '../pending-queue.ts';
import { allocateSharedLoads } from '../shared-loads.ts';
import type { UpstreamGate } from '../upstream-gate.ts';
import { UpstreamState } from '../upstream-state.ts';
import { TurnedLoads } from './turned-loads.ts';

type RequestPhase = 'waiting' | 'running' | 'over';

/** One request of one worker. */
export class LimitedRequest implements Waiter {
  readonly worker: number;
  readonly #world: LimitedWorkers;
  readonly #upstream: UpstreamState;
  readonly sinceMs: number;
  phase: RequestPhase = 'over';
  /** Whether its wait has ended, of one that waited. */
  answers = 0;
  #gate: UpstreamGate | null = null;
  #endpoint: EndpointState | null = null;
  #probe = 0;

  constructor(world: LimitedWorkers, worker: number) {
    this.#world = world;
    this.worker = worker;
    this.sinceMs = world.nowMs;
    this.#upstream = world.upstreamOf(worker);
  }

  begin(): void {
    const { gate } = this.#upstream;
    const entrance = gate === null ? 'admitted' : gate.enter(this, this.sinceMs);
    if (entrance === 'full') return;
    this.#gate = gate;
    if (entrance === 'waiting') this.phase = 'waiting';
    else this.#first();
  }

  /** Its client goes away, or its response ends. */
  end(): void {
    if (this.phase === 'waiting') {
      this.answers++;
      this.#gate?.cancel(this);
    } else if (this.phase === 'running') {
      this.#endpoint?.end(this.#probe);
      this.#gate?.leave();
    }
    this.phase = 'over';
  }

  onAdmitted(): void {
    this.answers++;
    this.#world.noteAdmission(this);
    this.#first();
  }

  onTimedOut(): void {
    this.answers++;
    this.phase = 'over';
    this.#world.noteTimeout(this);
  }

  #first(): void {
    this.phase = 'running';
    const gate = this.#gate;
    // Where limits were lifted all who waited go on.
    if (gate !== null && this.#upstream.settings.limits !== null) this.#world.checkPlaces(gate);
    const endpoint = this.#upstream.pick(null);
    this.#probe = endpoint === null ? FULL : this.#upstream.begin(endpoint);
    if (endpoint !== null && this.#probe !== FULL) {
      this.#endpoint = endpoint;
      return this.#world.checkEndpoint(this.#upstream, endpoint);
    }
    this.phase = 'over';
    if (gate === null) return;
    if (this.#upstream.members.length === 0) return gate.leave();
    if (!gate.waitOn(this, this.sinceMs)) return;
    this.phase = 'waiting';
    this.answers--;
  }
}

/** Longer than a worker that does not react holds a place up, as long as a tick. */
const TICK_MS = 100;

export class LimitedWorkers {
  nowMs = 1_000_000;
  readonly broken: string[] = [];
  requests: LimitedRequest[] = [];
  readonly #loads: TurnedLoads;
  readonly #directory: LoadDirectory;
  readonly #states: UpstreamState[];
  /** What workers serve, and what is on its way to those in `#behind`. */
  #served: Upstream;
  readonly #behind = new Set<number>();
  /** Something has changed since everything was last at rest: those who hold places may be too many. */
  #isUnsettled = false;

  constructor(upstream: Upstream, workers: number) {
    this.#loads = new TurnedLoads(allocateSharedLoads(workers, 64));
    this.#directory = new LoadDirectory(this.#loads);
    this.#served = upstream;
    this.#directory.apply([upstream], []);
    this.#states = Array.from({ length: workers }, (_, column) => this.#start(column));
  }

  upstreamOf(worker: number): UpstreamState {
    return this.#states[worker] as UpstreamState;
  }

  begin(worker: number): void {
    this.#pass(1);
    const request = new LimitedRequest(this, worker);
    this.requests.push(request);
    request.begin();
    this.#turn();
  }

  /** One of those that are not over ends: the `at`th, in the order in which they began. */
  end(at: number): void {
    const open = this.requests.filter(({ phase }) => phase !== 'over');
    open[at % Math.max(1, open.length)]?.end();
    this.#turn();
  }

  tick(): void {
    this.#pass(TICK_MS);
    for (const state of this.#states) if (state.isRestless) state.tick();
    this.#turn();
  }

  /** Sends an update; it is served when `deliver` has brought it to all. One at a time, as by the publisher. */
  publish(upstream: Upstream): void {
    for (const worker of [...this.#behind]) this.deliver(worker);
    this.#directory.apply([upstream], []);
    this.#served = upstream;
    for (const column of this.#states.keys()) this.#behind.add(column);
    this.#isUnsettled = true;
  }

  deliver(worker: number): void {
    if (!this.#behind.delete(worker)) return;
    this.upstreamOf(worker).apply(this.#served);
    if (this.#behind.size === 0) this.#directory.settle();
    this.#turn();
  }

  /** An update of which a worker dies twice: nobody else has seen it. */
  giveUp(upstream: Upstream, worker: number): void {
    for (const each of [...this.#behind]) this.deliver(each);
    this.#directory.apply([upstream], []);
    this.upstreamOf(worker).apply(upstream);
    this.die(worker);
    this.#directory.replace([this.#served]);
  }

  die(worker: number): void {
    for (const request of this.requests) if (request.worker === worker) request.phase = 'over';
    this.requests = this.requests.filter((request) => request.worker !== worker);
    this.#loads.forget(worker);
    // Who is gone is waited for no more.
    if (this.#behind.delete(worker) && this.#behind.size === 0) this.#directory.settle();
    this.#states[worker] = this.#start(worker);
    this.#turn();
  }

  // ---- rules

  /** Who waits and finds a place has waited longest of all, unless workers do not agree about the limits yet. */
  noteAdmission(request: LimitedRequest): void {
    const waiting = this.requests.filter((each) => each !== request && each.phase === 'waiting');
    const elder = waiting.find(({ sinceMs }) => sinceMs < request.sinceMs);
    if (elder !== undefined && !this.#isUnsettled)
      this.broken.push(`overtaken: ${elder.sinceMs} by ${request.sinceMs}`);
  }

  noteTimeout({ sinceMs, worker }: LimitedRequest): void {
    const limits = this.upstreamOf(worker).settings.limits;
    if (limits !== null && this.nowMs - sinceMs < limits.pendingTimeoutMs) this.broken.push('timed out too early');
  }

  checkPlaces(gate: UpstreamGate): void {
    const { maxRequests } = gate.limits;
    if (maxRequests !== null && gate.requests > maxRequests)
      this.broken.push(`${gate.requests} of ${maxRequests} places`);
  }

  checkEndpoint({ settings }: UpstreamState, { load }: EndpointState): void {
    const limit = settings.limits?.maxRequestsPerEndpoint ?? null;
    if (limit !== null && load > limit) this.broken.push(`${load} of ${limit} at an endpoint`);
  }

  /** Lets all have their say: nobody waits for a place that is free, nor longer than it may. */
  rest(): void {
    for (const worker of [...this.#behind]) this.deliver(worker);
    for (let ticks = 0; ticks < 3; ticks++) this.tick();
    this.#isUnsettled = false;
    for (const [worker, { gate, hasRoom }] of this.#states.entries()) {
      if (gate === null || gate.own.pending === 0) continue;
      const { maxRequests, pendingTimeoutMs } = gate.limits;
      const hasPlace = maxRequests === null || gate.requests < maxRequests;
      if (hasPlace && hasRoom) this.broken.push(`worker ${worker} waits for nothing`);
      const oldest = this.requests.find((each) => each.worker === worker && each.phase === 'waiting');
      if (oldest !== undefined && this.nowMs - oldest.sinceMs > pendingTimeoutMs + TICK_MS)
        this.broken.push('waits too long');
    }
    this.#checkCounts();
  }

  /** Ends all requests: nothing is left of them. */
  empty(): void {
    for (const request of this.requests) request.end();
    this.#turn();
    this.rest();
  }

  #checkCounts(): void {
    const waiting = this.requests.filter(({ phase }) => phase === 'waiting').length;
    const running = this.requests.filter(({ phase }) => phase === 'running').length;
    for (const { gate } of this.#states) {
      if (gate === null) continue;
      if (gate.pending !== waiting) this.broken.push(`${gate.pending} count as waiting, not ${waiting}`);
      if (gate.requests > running) this.broken.push(`${gate.requests} count as running, not ${running}`);
    }
    if (running > 0) return;
    for (const { endpoints, load } of this.#states) {
      const loads = endpoints.map((endpoint) => endpoint.load);
      if (load !== 0 || loads.some((each) => each !== 0)) this.broken.push(`left: ${load}, ${loads}`);
    }
    for (const { answers, phase } of this.requests)
      if (phase === 'over' && answers > 1) this.broken.push(`${answers} answers`);
  }

  #start(column: number): UpstreamState {
    const clock = { nowMs: () => this.nowMs, wallMs: () => this.nowMs };
    const loads = { loads: this.#loads, column };
    const state = new UpstreamState('u', { ...clock, random: () => 0, loads, onEjected: () => undefined });
    state.apply(this.#served);
    return state;
  }

  #pass(ms: number): void {
    this.nowMs += ms;
  }

  /** Workers that were woken react, and those that these wake. */
  #turn(): void {
    while (this.#loads.pendingWakes > 0) this.#loads.turn();
  }
}
