// The memory of the test API server: every object at its latest revision, one global revision as in etcd, and the log of
// events that watches replay. Nothing here knows a kind: a resource is a name, a key is "namespace/name" or "name".
//
// Compaction forgets the log, so that older lists and watches are gone as they are on a real server (410).

import type { KubeObject } from './objects.ts';

export interface StoreEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly revision: number;
  readonly key: string;
  /** At DELETED the last state, with the revision of the deletion as its resourceVersion. */
  readonly object: KubeObject;
  /** The state before; null at ADDED. */
  readonly previous: KubeObject | null;
}

export type StoreListener = (event: StoreEvent) => void;

/** What the store answers when the wanted revision is gone. */
export const COMPACTED = Symbol('compacted');

interface ResourceState {
  readonly objects: Map<string, KubeObject>;
  readonly listeners: Set<StoreListener>;
  events: StoreEvent[];
  /** Keys in etcd's order; null after a create or delete until somebody lists. */
  sortedKeys: readonly string[] | null;
  /** Events up to this revision are gone. */
  compactedRevision: number;
}

/** Beyond this many events of one resource the older half is dropped, as a watch cache does. */
const MAX_EVENTS = 200_000;

export class Storage {
  readonly #resources = new Map<string, ResourceState>();
  #revision = 1;
  #compactedRevision = 0;

  /** The global revision of the last write. */
  get revision(): number {
    return this.#revision;
  }

  get(resource: string, key: string): KubeObject | undefined {
    return this.#state(resource).objects.get(key);
  }

  count(resource: string): number {
    return this.#state(resource).objects.size;
  }

  /** Writes an object at a new revision and returns it with its resourceVersion. The key must be free or in use as said. */
  put(resource: string, key: string, object: KubeObject): KubeObject {
    const state = this.#state(resource);
    const previous = state.objects.get(key) ?? null;
    const stored = atRevision(object, ++this.#revision);
    state.objects.set(key, stored);
    if (previous === null) state.sortedKeys = null;
    this.#emit(state, {
      type: previous === null ? 'ADDED' : 'MODIFIED',
      revision: this.#revision,
      key,
      object: stored,
      previous,
    });
    return stored;
  }

  /** Removes an object; returns its last state at the revision of the deletion, undefined when there was none. */
  delete(resource: string, key: string): KubeObject | undefined {
    const state = this.#state(resource);
    const previous = state.objects.get(key);
    if (previous === undefined) return undefined;
    const object = atRevision(previous, ++this.#revision);
    state.objects.delete(key);
    state.sortedKeys = null;
    this.#emit(state, { type: 'DELETED', revision: this.#revision, key, object, previous });
    return object;
  }

  /** All objects in key order, as of `revision` (default now); COMPACTED when that revision is gone. */
  list(
    resource: string,
    revision = this.#revision,
  ): readonly (readonly [key: string, object: KubeObject])[] | typeof COMPACTED {
    const state = this.#state(resource);
    const later = this.eventsAfter(resource, revision);
    if (later === COMPACTED) return COMPACTED;
    if (later.length === 0) {
      state.sortedKeys ??= [...state.objects.keys()].sort();
      return state.sortedKeys.map((key) => [key, state.objects.get(key) as KubeObject]);
    }
    const objects = new Map(state.objects);
    for (const { key, previous } of later.toReversed()) {
      if (previous === null) objects.delete(key);
      else objects.set(key, previous);
    }
    return [...objects].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** Events of one resource after `revision`, oldest first. Takes time by the number returned, not by the log. */
  eventsAfter(resource: string, revision: number): readonly StoreEvent[] | typeof COMPACTED {
    const { events, compactedRevision } = this.#state(resource);
    if (revision < Math.max(this.#compactedRevision, compactedRevision)) return COMPACTED;
    let low = 0;
    let high = events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((events[middle] as StoreEvent).revision > revision) high = middle;
      else low = middle + 1;
    }
    return events.slice(low);
  }

  /** Calls back with each event from now on, in order; the returned function ends that. */
  subscribe(resource: string, listener: StoreListener): () => void {
    const { listeners } = this.#state(resource);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /**
   * Forgets all events so far. The revision moves on as well, as other writes move it in a real cluster, so that every
   * revision a client can know by now is expired.
   */
  compact(): void {
    this.#compactedRevision = ++this.#revision;
    for (const state of this.#resources.values()) state.events = [];
  }

  #state(resource: string): ResourceState {
    let state = this.#resources.get(resource);
    if (state === undefined) {
      state = { objects: new Map(), listeners: new Set(), events: [], sortedKeys: null, compactedRevision: 0 };
      this.#resources.set(resource, state);
    }
    return state;
  }

  #emit(state: ResourceState, event: StoreEvent): void {
    state.events.push(event);
    if (state.events.length > MAX_EVENTS) {
      const dropped = state.events.splice(0, MAX_EVENTS / 2);
      state.compactedRevision = dropped.at(-1)?.revision ?? 0;
    }
    for (const listener of [...state.listeners]) listener(event);
  }
}

function atRevision(object: KubeObject, revision: number): KubeObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
}
