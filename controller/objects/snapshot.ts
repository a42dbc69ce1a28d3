// One consistent, immutable view of all objects: the only input of compile() besides the process options.

import type { Diagnostic, SourceLocation } from './diagnostic.ts';
import type {
  ConfigMap,
  EndpointSlice,
  Ingress,
  IngressClass,
  KubernetesObject,
  Namespace,
  ObjectKey,
  ObjectKind,
  Secret,
  Service,
} from './types.ts';

export interface Snapshot {
  /** Counts up by one for each snapshot the store yields. */
  readonly revision: number;
  readonly ingresses: ReadonlyMap<ObjectKey, Ingress>;
  readonly ingressClasses: ReadonlyMap<ObjectKey, IngressClass>;
  readonly services: ReadonlyMap<ObjectKey, Service>;
  /** EndpointSlices grouped by the key of the Service they belong to. */
  readonly slicesByService: ReadonlyMap<ObjectKey, readonly EndpointSlice[]>;
  readonly secrets: ReadonlyMap<ObjectKey, Secret>;
  readonly configMaps: ReadonlyMap<ObjectKey, ConfigMap>;
  readonly namespaces: ReadonlyMap<ObjectKey, Namespace>;
  /** Addresses of ExternalName targets, resolved outside (compile asks no DNS). Key: lower-case name without trailing dot. */
  readonly resolvedNames: ReadonlyMap<string, readonly string[]>;
  /** `Kind/key` -> where in the manifest folder the object stands. Empty for objects from an API server. */
  readonly sources: ReadonlyMap<string, SourceLocation>;
  /** Problems found while reading and decoding, before compile. */
  readonly sourceDiagnostics: readonly Diagnostic[];
  /** Where to look for what is different from the snapshot before. */
  readonly changes: SnapshotChanges;
}

/**
 * Keys of the maps of a Snapshot under which something was set or deleted since an earlier snapshot of the same store.
 * Under all other keys both hold the same objects, by identity.
 */
export interface SnapshotChanges {
  /** Revision of the earlier snapshot; 0 is the empty one before the first. */
  readonly since: number;
  readonly ingresses: ReadonlySet<ObjectKey>;
  readonly ingressClasses: ReadonlySet<ObjectKey>;
  readonly services: ReadonlySet<ObjectKey>;
  readonly slicesByService: ReadonlySet<ObjectKey>;
  readonly secrets: ReadonlySet<ObjectKey>;
  readonly configMaps: ReadonlySet<ObjectKey>;
  readonly namespaces: ReadonlySet<ObjectKey>;
  readonly resolvedNames: ReadonlySet<string>;
  readonly sources: ReadonlySet<string>;
}

/** An ObjectStore change: what a source (manifest folder, API server) tells the store. Applied as one step. */
export type StoreChange =
  | { readonly kind: 'upsert'; readonly object: KubernetesObject; readonly source: SourceLocation | null }
  | { readonly kind: 'delete'; readonly objectKind: ObjectKind; readonly key: ObjectKey }
  | { readonly kind: 'sourceDiagnostics'; readonly origin: string; readonly diagnostics: readonly Diagnostic[] }
  | { readonly kind: 'resolvedName'; readonly name: string; readonly addresses: readonly string[] }
  /** Nobody wants the name any more. */
  | { readonly kind: 'forgetName'; readonly name: string };

/**
 * Where objects come from. The manifest folder is one, the Kubernetes API server will be another.
 * `start` calls `apply` with batches of changes; it resolves once the first complete set has been applied, and rejects
 * only when the source can never work (folder missing, credentials refused). After that, faults become diagnostics.
 */
export interface ObjectSource extends AsyncDisposable {
  start(apply: (changes: readonly StoreChange[]) => void): Promise<void>;
}
