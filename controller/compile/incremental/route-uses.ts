// Who uses which backend: an index over the planned routes, by Ingress and by backend.

import type { VirtualHostName } from '#proxy/table/types.ts';
import { keptList } from '../../objects/kept-list.ts';
import type { Backend } from '../backend-target.ts';
import type { AcceptedIngress } from '../select.ts';
import { type BackendRoute, backendUses } from '../upstreams.ts';
import type { PlanChange } from './host-stage.ts';

interface UsedBackend extends Backend {
  /** With the number of routes. */
  readonly users: Map<AcceptedIngress, number>;
}

/** What an update touched. */
export interface TouchedUses {
  /** Keys of backends that gained or lost a route. */
  readonly backends: ReadonlySet<string>;
  readonly owners: ReadonlySet<AcceptedIngress>;
}

export class RouteUses {
  readonly #used = new Map<string, UsedBackend>();
  readonly #byOwner = new Map<AcceptedIngress, Map<VirtualHostName, readonly BackendRoute[]>>();

  /** Takes over hosts that were planned again. */
  update(plans: readonly PlanChange[]): TouchedUses {
    const backends = new Set<string>();
    const owners = new Set<AcceptedIngress>();
    for (const { name, before, after } of plans) {
      const gone = before === null ? [] : backendUses(before);
      const added = after === null ? [] : backendUses(after);
      for (const use of gone) this.#remove(name, use);
      for (const use of added) this.#add(use);
      for (const [owner, uses] of Map.groupBy(added, (use) => use.owner)) this.#setRoutes(owner, name, uses);
      for (const { key, owner } of [...gone, ...added]) {
        backends.add(key);
        owners.add(owner);
      }
    }
    return { backends, owners };
  }

  /** The backend of a key; undefined when no route uses it. */
  backendOf(key: string): Backend | undefined {
    return this.#used.get(key);
  }

  ownersOf(key: string): Iterable<AcceptedIngress> {
    return this.#used.get(key)?.users.keys() ?? [];
  }

  /** All routes of an Ingress; null when it has none. */
  routesOf(owner: AcceptedIngress): readonly BackendRoute[] | null {
    const byHost = this.#byOwner.get(owner);
    return byHost === undefined ? null : [...byHost.values()].flat();
  }

  /** Hosts with a route to the backend. */
  hostsOf(key: string): VirtualHostName[] {
    const names = [...this.ownersOf(key)].flatMap((owner) =>
      [...(this.#byOwner.get(owner) ?? [])]
        .filter(([, uses]) => uses.some((use) => use.key === key))
        .map(([name]) => name),
    );
    return [...new Set(names)];
  }

  #add({ key, namespace, use, owner }: BackendRoute): void {
    const used = this.#used.get(key) ?? { namespace, use, users: new Map() };
    this.#used.set(key, used);
    used.users.set(owner, (used.users.get(owner) ?? 0) + 1);
  }

  #remove(name: VirtualHostName, { key, owner }: BackendRoute): void {
    const byHost = this.#byOwner.get(owner);
    byHost?.delete(name);
    if (byHost?.size === 0) this.#byOwner.delete(owner);
    const users = this.#used.get(key)?.users;
    const count = users?.get(owner) ?? 0;
    if (count > 1) users?.set(owner, count - 1);
    else users?.delete(owner);
    if (users?.size === 0) this.#used.delete(key);
  }

  #setRoutes(owner: AcceptedIngress, name: VirtualHostName, uses: readonly BackendRoute[]): void {
    const byHost = this.#byOwner.get(owner) ?? new Map();
    this.#byOwner.set(owner, byHost.set(name, keptList(uses)));
  }
}
