// The one mutable view of all objects. Sources tell it changes, it yields consistent immutable snapshots for compile().
//
// In: batches of StoreChange, each applied as one step. Out: Snapshot. What did not change keeps its identity, from a
// single object to a whole map, so that compile and diff may compare by reference.

import { compareDiagnostics, compareText, type Diagnostic, type SourceLocation } from '../objects/diagnostic.ts';
import { isSameValue } from '../objects/equal.ts';
import { keptList } from '../objects/kept-list.ts';
import type { Snapshot, SnapshotChanges, StoreChange } from '../objects/snapshot.ts';
import {
  type ConfigMap,
  type EndpointSlice,
  type Ingress,
  type IngressClass,
  type KubernetesObject,
  keyOf,
  type Namespace,
  type ObjectKey,
  type ObjectKind,
  type Secret,
  type Service,
} from '../objects/types.ts';
import { SharedMap } from './shared-map.ts';

/** Holds the objects of one process. `apply` and `snapshot` are synchronous: a snapshot never sees half a batch. */
export class ObjectStore {
  readonly #ingresses = new SharedMap<ObjectKey, Ingress>();
  readonly #ingressClasses = new SharedMap<ObjectKey, IngressClass>();
  readonly #services = new SharedMap<ObjectKey, Service>();
  readonly #secrets = new SharedMap<ObjectKey, Secret>();
  readonly #configMaps = new SharedMap<ObjectKey, ConfigMap>();
  readonly #namespaces = new SharedMap<ObjectKey, Namespace>();
  readonly #slices = new Map<ObjectKey, EndpointSlice>();
  readonly #slicesByService = new SharedMap<ObjectKey, readonly EndpointSlice[]>();
  readonly #resolvedNames = new SharedMap<string, readonly string[]>();
  readonly #sources = new SharedMap<string, SourceLocation>();
  readonly #diagnosticsByOrigin = new Map<string, readonly Diagnostic[]>();
  #sourceDiagnostics: readonly Diagnostic[] = [];
  #revision = 0;
  #snapshot: Snapshot | null = null;

  /**
   * Applies changes as one step. Returns whether the next snapshot differs: an object equal to the stored one, a delete of
   * what is not there and the same addresses in another order are no change; a new line in the manifest is one.
   */
  apply(changes: readonly StoreChange[]): boolean {
    let hasChanged = false;
    for (const change of changes) {
      // Not `||`: every change must be applied.
      if (this.#applyOne(change)) hasChanged = true;
    }
    if (hasChanged) this.#snapshot = null;
    return hasChanged;
  }

  /** Gives the present state: the same value until something changes, then one with the next revision. Starts at 1. */
  snapshot(): Snapshot {
    this.#snapshot ??= {
      changes: this.#takeChanges(),
      revision: ++this.#revision,
      ingresses: this.#ingresses.share(),
      ingressClasses: this.#ingressClasses.share(),
      services: this.#services.share(),
      slicesByService: this.#slicesByService.share(),
      secrets: this.#secrets.share(),
      configMaps: this.#configMaps.share(),
      namespaces: this.#namespaces.share(),
      resolvedNames: this.#resolvedNames.share(),
      sources: this.#sources.share(),
      sourceDiagnostics: this.#sourceDiagnostics,
    };
    return this.#snapshot;
  }

  #takeChanges(): SnapshotChanges {
    return {
      since: this.#revision,
      ingresses: this.#ingresses.takeTouched(),
      ingressClasses: this.#ingressClasses.takeTouched(),
      services: this.#services.takeTouched(),
      slicesByService: this.#slicesByService.takeTouched(),
      secrets: this.#secrets.takeTouched(),
      configMaps: this.#configMaps.takeTouched(),
      namespaces: this.#namespaces.takeTouched(),
      resolvedNames: this.#resolvedNames.takeTouched(),
      sources: this.#sources.takeTouched(),
    };
  }

  #applyOne(change: StoreChange): boolean {
    switch (change.kind) {
      case 'upsert':
        return this.#upsert(change.object, change.source);
      case 'delete':
        return this.#delete(change.objectKind, change.key);
      case 'sourceDiagnostics':
        return this.#setDiagnostics(change.origin, change.diagnostics);
      case 'resolvedName':
        return this.#setResolvedName(change.name, change.addresses);
      case 'forgetName':
        return this.#resolvedNames.delete(change.name);
      default:
        return change satisfies never;
    }
  }

  #upsert(object: KubernetesObject, source: SourceLocation | null): boolean {
    const key = keyOf(object.meta);
    // Both must run, whatever the other one says.
    const hasMoved = this.#setSource(`${object.kind}/${key}`, source);
    return this.#putObject(key, object) || hasMoved;
  }

  #putObject(key: ObjectKey, object: KubernetesObject): boolean {
    switch (object.kind) {
      case 'Ingress':
        return putIfChanged(this.#ingresses, key, object);
      case 'IngressClass':
        return putIfChanged(this.#ingressClasses, key, object);
      case 'Service':
        return putIfChanged(this.#services, key, object);
      case 'EndpointSlice':
        return this.#putSlice(key, object);
      case 'Secret':
        return putIfChanged(this.#secrets, key, object);
      case 'ConfigMap':
        return putIfChanged(this.#configMaps, key, object);
      case 'Namespace':
        return putIfChanged(this.#namespaces, key, object);
      default:
        return object satisfies never;
    }
  }

  #delete(kind: ObjectKind, key: ObjectKey): boolean {
    this.#sources.delete(`${kind}/${key}`);
    switch (kind) {
      case 'Ingress':
        return this.#ingresses.delete(key);
      case 'IngressClass':
        return this.#ingressClasses.delete(key);
      case 'Service':
        return this.#services.delete(key);
      case 'EndpointSlice':
        return this.#deleteSlice(key);
      case 'Secret':
        return this.#secrets.delete(key);
      case 'ConfigMap':
        return this.#configMaps.delete(key);
      case 'Namespace':
        return this.#namespaces.delete(key);
      default:
        return kind satisfies never;
    }
  }

  #putSlice(key: ObjectKey, slice: EndpointSlice): boolean {
    const old = this.#slices.get(key);
    if (old !== undefined && isSameValue(old, slice)) return false;
    if (old !== undefined) this.#ungroup(old);
    this.#slices.set(key, slice);
    this.#group(slice);
    return true;
  }

  #deleteSlice(key: ObjectKey): boolean {
    const old = this.#slices.get(key);
    if (old === undefined) return false;
    this.#ungroup(old);
    return this.#slices.delete(key);
  }

  /** Adds a slice to the list of its Service, which stays sorted by slice name: arrival order must not show. */
  #group(slice: EndpointSlice): void {
    const service = serviceKeyOf(slice);
    if (service === null) return;
    const group = [...(this.#slicesByService.get(service) ?? []), slice];
    group.sort((a, b) => compareText(a.meta.name, b.meta.name));
    this.#slicesByService.set(service, keptList(group));
  }

  #ungroup(slice: EndpointSlice): void {
    const service = serviceKeyOf(slice);
    if (service === null) return;
    const group = (this.#slicesByService.get(service) ?? []).filter((other) => other !== slice);
    if (group.length === 0) this.#slicesByService.delete(service);
    else this.#slicesByService.set(service, group);
  }

  #setSource(id: string, source: SourceLocation | null): boolean {
    if (source === null) return this.#sources.delete(id);
    return putIfChanged(this.#sources, id, source);
  }

  #setResolvedName(name: string, addresses: readonly string[]): boolean {
    return putIfChanged(this.#resolvedNames, name, [...new Set(addresses)].sort(compareText));
  }

  #setDiagnostics(origin: string, diagnostics: readonly Diagnostic[]): boolean {
    if (isSameValue(this.#diagnosticsByOrigin.get(origin) ?? [], diagnostics)) return false;
    if (diagnostics.length === 0) this.#diagnosticsByOrigin.delete(origin);
    else this.#diagnosticsByOrigin.set(origin, diagnostics);
    this.#sourceDiagnostics = [...this.#diagnosticsByOrigin.values()].flat().sort(compareDiagnostics);
    return true;
  }
}

function putIfChanged<K, V extends object>(map: SharedMap<K, V>, key: K, value: V): boolean {
  const old = map.get(key);
  if (old !== undefined && isSameValue(old, value)) return false;
  map.set(key, value);
  return true;
}

/** Null for a slice that belongs to no Service: it is kept, but nobody looks for it. */
function serviceKeyOf(slice: EndpointSlice): ObjectKey | null {
  return slice.serviceName === '' ? null : `${slice.meta.namespace}/${slice.serviceName}`;
}
