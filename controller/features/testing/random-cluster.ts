// A cluster that changes at random, and what it asks for at each moment.
//
// Services have disjoint sets of ports, so the port that answered tells the Service, and the Service tells which route was
// used. `ClusterHistory` then says whether an answer belongs to one state that was in force while it was asked for.

import { type IngressParts, ingress, type Manifest, noRedirect, slice } from './manifests.ts';
import type { Random } from './random.ts';

export const PATHS = ['/r0', '/r1', '/r2', '/r3'] as const;

/** What one state of the cluster asks for. */
export interface ClusterState {
  /** Ports of each Service; never empty, so that no state asks for an error. */
  readonly endpoints: ReadonlyMap<string, ReadonlySet<number>>;
  /** `path -> Service` of each host; `/` is always there. */
  readonly routes: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

/** What became of an object. */
export type ClusterChange =
  | { readonly kind: 'upsert'; readonly manifest: Manifest }
  | { readonly kind: 'delete'; readonly manifest: Manifest };

export class RandomCluster {
  readonly #random: Random;
  /** All ports that a Service may have. */
  readonly #slots: ReadonlyMap<string, readonly number[]>;
  readonly #endpoints = new Map<string, Set<number>>();
  readonly #routes = new Map<string, Map<string, string>>();

  constructor(random: Random, slots: ReadonlyMap<string, readonly number[]>, hosts: readonly string[]) {
    this.#random = random;
    this.#slots = slots;
    for (const [name, ports] of slots) this.#endpoints.set(name, new Set(ports));
    for (const host of hosts) this.#routes.set(host, new Map([['/', random.pick(slots.keys())]]));
  }

  get state(): ClusterState {
    return {
      endpoints: new Map([...this.#endpoints].map(([name, ports]) => [name, new Set(ports)])),
      routes: new Map([...this.#routes].map(([host, paths]) => [host, new Map(paths)])),
    };
  }

  ingressOf(host: string, parts: Partial<IngressParts> = {}): Manifest {
    const paths = Object.fromEntries(this.#routes.get(host) ?? []);
    return ingress(host, { hosts: { [host]: paths }, annotations: noRedirect, ...parts });
  }

  /** Adds or removes an endpoint of any Service. */
  changeEndpoints(): ClusterChange {
    const name = this.#random.pick(this.#slots.keys());
    const port = this.#random.pick(this.#slots.get(name) ?? []);
    const ports = this.#endpoints.get(name) ?? new Set();
    const manifest = slice(name, port);
    if (!ports.has(port)) {
      ports.add(port);
      return { kind: 'upsert', manifest };
    }
    if (ports.size === 1) return this.changeEndpoints();
    ports.delete(port);
    return { kind: 'delete', manifest };
  }

  /** Adds, removes or retargets a route of this host. */
  changeRoute(host: string): void {
    const paths = this.#routes.get(host) ?? new Map<string, string>();
    const path = this.#random.pick(['/', ...PATHS]);
    if (path !== '/' && paths.has(path) && this.#random.below(2) === 0) paths.delete(path);
    else paths.set(path, this.#random.pick([...this.#slots.keys()].filter((name) => name !== paths.get(path))));
  }
}

interface Reign {
  /** From here on some worker may use the state. */
  readonly fromMs: number;
  /** From here on no worker uses it any more. */
  untilMs: number;
  readonly state: ClusterState;
  /** Serial number of the certificate. */
  readonly certificate: string;
}

/** The states of a cluster in order, with the time in which each may be in force. Neighbours overlap while workers change. */
export class ClusterHistory {
  readonly #reigns: Reign[] = [];

  /** Notes a state that is about to be applied. */
  begin(fromMs: number, state: ClusterState, certificate: string): void {
    this.#reigns.push({ fromMs, untilMs: Number.POSITIVE_INFINITY, state, certificate });
  }

  /** Notes that all workers use the newest state. */
  confirm(nowMs: number): void {
    const previous = this.#reigns.at(-2);
    if (previous !== undefined) previous.untilMs = nowMs;
  }

  /** Whether one single state in force between the two times sends this host and path to this port. */
  allowsAnswer(startMs: number, endMs: number, question: { host: string; path: string }, port: number): boolean {
    return this.#during(startMs, endMs).some(({ state }) => portsFor(state, question.host, question.path).has(port));
  }

  /** Whether this certificate was the right one at some time between the two. */
  allowsCertificate(startMs: number, endMs: number, serialNumber: string): boolean {
    return this.#during(startMs, endMs).some(({ certificate }) => certificate === serialNumber);
  }

  #during(startMs: number, endMs: number): readonly Reign[] {
    // Newest first and only as far back as needed: this runs for every answer.
    const oldest = this.#reigns.findLastIndex(({ untilMs }) => untilMs < startMs);
    return this.#reigns.slice(oldest + 1).filter(({ fromMs }) => fromMs <= endMs);
  }
}

function portsFor(state: ClusterState, host: string, path: string): ReadonlySet<number> {
  const paths = state.routes.get(host);
  const name = paths?.get(path) ?? paths?.get('/') ?? '';
  return state.endpoints.get(name) ?? new Set();
}
