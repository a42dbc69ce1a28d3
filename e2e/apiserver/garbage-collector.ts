// What kube-controller-manager does after a deletion: the content of a deleted Namespace goes, and so do objects whose
// owners are all gone. Everything else of the controller manager (slices, pods, scale) is left to tests.

import { type KubeObject, listAt, textAt } from './objects.ts';
import { resourceName } from './resources/kind.ts';
import { KINDS } from './resources/kinds.ts';
import { COMPACTED, type Storage, type StoreEvent } from './storage.ts';

interface Dependent {
  readonly resource: string;
  readonly key: string;
}

/** Starts collecting; ends with the store. */
export function startGarbageCollector(storage: Storage): void {
  const collector = new GarbageCollector(storage);
  for (const resource of new Set(KINDS.map(resourceName))) {
    storage.subscribe(resource, (event) => collector.onEvent(resource, event));
  }
}

class GarbageCollector {
  readonly #storage: Storage;
  readonly #dependents = new Map<string, Map<string, Dependent>>();
  readonly #liveUids = new Set<string>();

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  onEvent(resource: string, { type, key, object }: StoreEvent): void {
    const uid = object.metadata.uid ?? '';
    if (type !== 'DELETED') {
      this.#liveUids.add(uid);
      for (const owner of ownersOf(object)) this.#dependentsOf(owner).set(`${resource}/${key}`, { resource, key });
      return;
    }
    this.#liveUids.delete(uid);
    // Later: other listeners still have to hear of this event before they hear of the next ones.
    queueMicrotask(() => {
      if (resource === 'namespaces') this.#emptyNamespace(key);
      this.#collect(uid);
    });
  }

  #dependentsOf(owner: string): Map<string, Dependent> {
    let dependents = this.#dependents.get(owner);
    if (dependents === undefined) {
      dependents = new Map();
      this.#dependents.set(owner, dependents);
    }
    return dependents;
  }

  #emptyNamespace(namespace: string): void {
    for (const resource of new Set(KINDS.filter(({ namespaced }) => namespaced).map(resourceName))) {
      const objects = this.#storage.list(resource);
      if (objects === COMPACTED) continue;
      for (const [key, { metadata }] of objects)
        if (metadata.namespace === namespace) this.#storage.delete(resource, key);
    }
  }

  #collect(uid: string): void {
    const dependents = this.#dependents.get(uid);
    this.#dependents.delete(uid);
    for (const { resource, key } of dependents?.values() ?? []) {
      const object = this.#storage.get(resource, key);
      const isOrphan =
        object !== undefined &&
        ownersOf(object).includes(uid) &&
        !ownersOf(object).some((owner) => this.#liveUids.has(owner));
      if (isOrphan) this.#storage.delete(resource, key);
    }
  }
}

function ownersOf(object: KubeObject): string[] {
  return listAt(object.metadata, 'ownerReferences').map((owner) => textAt(owner, 'uid'));
}
