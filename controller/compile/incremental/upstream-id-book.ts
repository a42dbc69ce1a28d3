// Incremental half of upstream-ids.ts: the ids of the backends in use. One that comes or goes may change the ids of those
// that look like it, and of no others.

import type { UpstreamId } from '#proxy/table/types.ts';
import type { Backend } from '../backend-target.ts';
import { plainId, tellApart } from '../upstream-ids.ts';

export class UpstreamIdBook {
  readonly #ids = new Map<string, UpstreamId>();
  /** Keys of the backends in use, by the id they would have if they were alone. */
  readonly #groups = new Map<UpstreamId, Set<string>>();
  readonly #touched = new Set<UpstreamId>();

  /** By `backendKey`. */
  get ids(): ReadonlyMap<string, UpstreamId> {
    return this.#ids;
  }

  add(key: string, backend: Backend): void {
    const plain = plainId(backend);
    const group = this.#groups.get(plain) ?? new Set();
    if (group.has(key)) return;
    this.#groups.set(plain, group.add(key));
    this.#touched.add(plain);
  }

  remove(key: string, backend: Backend): void {
    const plain = plainId(backend);
    const group = this.#groups.get(plain);
    if (group?.delete(key) !== true) return;
    if (group.size === 0) this.#groups.delete(plain);
    this.#ids.delete(key);
    this.#touched.add(plain);
  }

  /** Gives out the ids after a round of additions and removals; gives the keys whose id is new or another one. */
  settle(): string[] {
    const changed: string[] = [];
    for (const plain of this.#touched) {
      for (const [key, id] of tellApart(plain, [...(this.#groups.get(plain) ?? [])])) {
        if (this.#ids.get(key) === id) continue;
        this.#ids.set(key, id);
        changed.push(key);
      }
    }
    this.#touched.clear();
    return changed;
  }
}
