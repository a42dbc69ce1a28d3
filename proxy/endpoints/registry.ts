// The live state of all endpoints of a worker: what changes while serving, kept beside the routing table and keyed by
// (upstream id, address:port), so that it survives table swaps.
//
//   table's upstreams --applyUpstreams--> registry --get(upstreamId)--> UpstreamState --pick--> EndpointState
//
// An endpoint that leaves the table drains: nothing picks it again, running requests finish, and `onEndpointRemoved`
// lets the connection pool close what is idle. One that comes back later starts afresh: it may be another Pod.

import type { Balancer, EndpointLoad } from '../balance/balancer.ts';
import { RoundRobin } from '../balance/round-robin.ts';
import { plainUpstream } from '../table/defaults.ts';
import type { EndpointAddress, Upstream, UpstreamId } from '../table/types.ts';
import type { BalancerSettings } from '../table/upstream-settings.ts';

/** One endpoint of one upstream in this worker. `Slot` is what the data path hangs on it, its idle connections. */
export class EndpointState<Slot = unknown> implements EndpointLoad {
  readonly upstreamId: UpstreamId;
  readonly address: string;
  readonly port: number;
  readonly key: string;
  /** Counted by the data path: up at the pick, down when the attempt ends, however it ends. */
  inFlight = 0;
  /** null until the data path sets it. */
  slot: Slot | null = null;
  /** Written by the registry only. Read it when a connection becomes idle: of a draining endpoint none is kept. */
  draining = false;

  constructor(upstreamId: UpstreamId, endpoint: EndpointAddress) {
    this.upstreamId = upstreamId;
    this.address = endpoint.address;
    this.port = endpoint.port;
    this.key = endpointKey(endpoint);
  }
}

/** One upstream in this worker: its endpoints and its balancer. The same object over all swaps while its id exists. */
export class UpstreamState<Slot = unknown> {
  readonly id: UpstreamId;
  #endpoints: readonly EndpointState<Slot>[] = [];
  #settings: BalancerSettings;
  #balancer: Balancer;

  constructor(id: UpstreamId, settings: BalancerSettings, random: () => number) {
    this.id = id;
    this.#settings = settings;
    this.#balancer = createBalancer(settings, random);
  }

  /** Endpoints in force, sorted as in the table. */
  get endpoints(): readonly EndpointState<Slot>[] {
    return this.#endpoints;
  }

  /**
   * Chooses an endpoint for one attempt. `tried` holds the endpoints this request must not get again; null for none.
   * null when there is no endpoint, or none that is untried. The caller counts `inFlight`.
   */
  pick(tried: readonly EndpointState<Slot>[] | null): EndpointState<Slot> | null {
    const at = this.#balancer.pick(this.#endpoints, tried);
    return at === -1 ? null : (this.#endpoints[at] ?? null);
  }

  /** For the registry: takes over the table's list and gives the endpoints that left. */
  replaceEndpoints(upstream: Upstream, random: () => number): readonly EndpointState<Slot>[] {
    const left = new Map(this.#endpoints.map((state) => [state.key, state]));
    const next: EndpointState<Slot>[] = [];
    for (const endpoint of upstream.endpoints) {
      const key = endpointKey(endpoint);
      next.push(left.get(key) ?? new EndpointState<Slot>(this.id, endpoint));
      left.delete(key);
    }
    if (upstream.balancer.kind === this.#settings.kind) this.#balancer.onEndpointsChanged(this.#endpoints, next);
    else this.#balancer = createBalancer(upstream.balancer, random);
    this.#settings = upstream.balancer;
    this.#endpoints = next;
    return [...left.values()];
  }
}

export interface RegistryOptions<Slot = unknown> {
  /** From 0 up to 1, as `Math.random`: where each balancer begins. */
  readonly random: () => number;
  /** Called once for each endpoint that left, after it was marked draining; must not throw. */
  readonly onEndpointRemoved: (state: EndpointState<Slot>) => void;
}

export class EndpointRegistry<Slot = unknown> {
  readonly #upstreams = new Map<UpstreamId, UpstreamState<Slot>>();
  readonly #options: RegistryOptions<Slot>;

  constructor(options: RegistryOptions<Slot>) {
    this.#options = options;
  }

  /** Finds an upstream by id; `undefined` when the table in force has none. Constant time. */
  get(id: UpstreamId): UpstreamState<Slot> | undefined {
    return this.#upstreams.get(id);
  }

  /** All upstreams in force, in no particular order; for metrics. */
  upstreams(): Iterable<UpstreamState<Slot>> {
    return this.#upstreams.values();
  }

  /** Applies the upstreams of a parts update: new or changed ones, and ids that are gone. */
  applyUpstreams(upserts: readonly Upstream[], removed: readonly UpstreamId[]): void {
    for (const id of removed) this.#remove(id);
    for (const upstream of upserts) this.#upsert(upstream);
  }

  /** Applies the upstreams of a whole table: those it does not name are removed, the others keep their state. */
  replaceUpstreams(upstreams: readonly Upstream[]): void {
    const kept = new Set(upstreams.map((upstream) => upstream.id));
    const removed = [...this.#upstreams.keys()].filter((id) => !kept.has(id));
    this.applyUpstreams(upstreams, removed);
  }

  #upsert(upstream: Upstream): void {
    const { random } = this.#options;
    let state = this.#upstreams.get(upstream.id);
    if (state === undefined) {
      state = new UpstreamState<Slot>(upstream.id, upstream.balancer, random);
      this.#upstreams.set(upstream.id, state);
    }
    this.#drain(state.replaceEndpoints(upstream, random));
  }

  #remove(id: UpstreamId): void {
    const state = this.#upstreams.get(id);
    if (state === undefined) return;
    this.#upstreams.delete(id);
    // A request that already holds this upstream must find nothing to pick.
    this.#drain(state.replaceEndpoints(plainUpstream(id, []), this.#options.random));
  }

  #drain(left: readonly EndpointState<Slot>[]): void {
    for (const state of left) {
      state.draining = true;
      this.#options.onEndpointRemoved(state);
    }
  }
}

/** `address:port`, with brackets around an IPv6 address (RFC 3986 §3.2.2). */
export function endpointKey({ address, port }: EndpointAddress): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Large enough to start anywhere in any list, small enough to stay a small integer. */
const startRange = 2 ** 20;

function createBalancer(settings: BalancerSettings, random: () => number): Balancer {
  switch (settings.kind) {
    // The other kinds are compiled, but not built yet: their annotations say that endpoints are picked in turn.
    default:
      return new RoundRobin(Math.floor(random() * startRange));
  }
}
