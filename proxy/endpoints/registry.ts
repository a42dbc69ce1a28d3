// The live state of all endpoints of a worker: what changes while serving, kept beside the routing table and keyed by
// (upstream id, address:port), so that it survives table swaps.
//
//   table's upstreams --applyUpstreams--> registry --get(upstreamId)--> UpstreamState --pick--> EndpointState
//
// An endpoint that leaves the table drains: nothing picks it again, running requests finish, and `onEndpointRemoved`
// lets the connection pool close what is idle. One that comes back later starts afresh: it may be another Pod.

import { plainUpstream } from '../table/defaults.ts';
import type { Upstream, UpstreamId } from '../table/types.ts';
import type { EndpointState } from './endpoint-state.ts';
import { type UpstreamEnvironment, UpstreamState } from './upstream-state.ts';

// Those who only hold a state import it from here, the door of this folder.
export { EndpointState } from './endpoint-state.ts';
export { UpstreamState } from './upstream-state.ts';

export interface RegistryOptions<Slot = unknown> extends Partial<UpstreamEnvironment<Slot>> {
  readonly random: () => number;
  /** Called once for each endpoint that left, after it was marked draining; must not throw. */
  readonly onEndpointRemoved: (state: EndpointState<Slot>) => void;
}

export class EndpointRegistry<Slot = unknown> {
  readonly #upstreams = new Map<UpstreamId, UpstreamState<Slot>>();
  readonly #environment: UpstreamEnvironment<Slot>;
  readonly #onEndpointRemoved: (state: EndpointState<Slot>) => void;

  /** Without `nowMs` time stands still: nothing that was ejected comes back. Without `loads` each worker counts alone. */
  constructor(options: RegistryOptions<Slot>) {
    const { random, nowMs = () => 0, wallMs = nowMs, loads = null, onEjected = () => undefined } = options;
    this.#environment = { random, nowMs, wallMs, loads, onEjected };
    this.#onEndpointRemoved = options.onEndpointRemoved;
  }

  /** Finds an upstream by id; `undefined` when the table in force has none. Constant time. */
  get(id: UpstreamId): UpstreamState<Slot> | undefined {
    return this.#upstreams.get(id);
  }

  /** All upstreams in force, in no particular order; for metrics. */
  upstreams(): Iterable<UpstreamState<Slot>> {
    return this.#upstreams.values();
  }

  /** Lets time pass for those that wait for it. Call it about ten times a second. */
  tick(): void {
    for (const upstream of this.#upstreams.values()) if (upstream.isRestless) upstream.tick();
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
    let state = this.#upstreams.get(upstream.id);
    if (state === undefined) {
      state = new UpstreamState<Slot>(upstream.id, this.#environment);
      this.#upstreams.set(upstream.id, state);
    }
    this.#drain(state.apply(upstream));
  }

  #remove(id: UpstreamId): void {
    const state = this.#upstreams.get(id);
    if (state === undefined) return;
    this.#upstreams.delete(id);
    // A request that already holds this upstream must find nothing to pick.
    this.#drain(state.apply(plainUpstream(id, [])));
  }

  #drain(left: readonly EndpointState<Slot>[]): void {
    for (const state of left) {
      state.draining = true;
      this.#onEndpointRemoved(state);
    }
  }
}
