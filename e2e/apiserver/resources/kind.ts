// What the server knows of one kind, as data: names, shape, defaults, checks, columns. One file per kind beside this one
// fills it in; the handlers treat all kinds alike.

import type { FieldError } from '../api-error.ts';
import type { KubeObject } from '../objects.ts';
import type { StructSchema } from '../schema.ts';

/** A column of `kubectl get`. */
export interface Column {
  readonly name: string;
  readonly type?: 'string' | 'integer' | 'date';
  readonly format?: 'name';
  /** 1 shows the column only with `-o wide`. */
  readonly priority?: 0 | 1;
  readonly cell: (object: KubeObject, nowMs: number) => string | number;
}

export interface Kind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly namespaced: boolean;
  readonly schema: StructSchema;
  /** Counts spec changes in metadata.generation. */
  readonly hasGeneration?: boolean;
  /** Has a /status subresource: `status` is then written only there. */
  readonly hasStatus?: boolean;
  /** Has a /scale subresource over spec.replicas. */
  readonly hasScale?: boolean;
  /** A PUT without resourceVersion is refused. */
  readonly updateNeedsVersion?: boolean;
  /** A PUT may create the object. */
  readonly createOnUpdate?: boolean;
  /** DELETE answers with the object instead of a Status. */
  readonly deleteReturnsObject?: boolean;
  /** Stored under another kind's resource: events.k8s.io shares the objects of core Events. */
  readonly sharedWith?: {
    readonly plural: string;
    readonly toStored: (object: KubeObject) => KubeObject;
    readonly fromStored: (object: KubeObject) => KubeObject;
  };
  /** Fills what the API fills; gets an object without nulls and unknown fields. */
  readonly applyDefaults?: (object: KubeObject) => KubeObject;
  /** Carries over to a written object what a client may leave out of an update. */
  readonly carryOver?: (next: KubeObject, previous: KubeObject) => KubeObject;
  readonly checkName?: (name: string) => string | null;
  readonly validate?: (object: KubeObject) => readonly FieldError[];
  /** Checks a change; `validate` has already seen the new object. */
  readonly validateUpdate?: (next: KubeObject, previous: KubeObject) => readonly FieldError[];
  /** Deprecations, sent as Warning headers. */
  readonly warnings?: (object: KubeObject) => readonly string[];
  /** Fields to select by, besides metadata.name and metadata.namespace. */
  readonly selectableFields?: (object: KubeObject) => Readonly<Record<string, string>>;
  /** Columns between NAME and AGE. */
  readonly columns?: readonly Column[];
}

/** `networking.k8s.io/v1`, or `v1` for the core group. */
export function apiVersionOf({ group, version }: Pick<Kind, 'group' | 'version'>): string {
  return group === '' ? version : `${group}/${version}`;
}

/** The name a kind's objects are stored and counted under: `ingresses.networking.k8s.io`, `services`. */
export function resourceName({ group, plural, sharedWith }: Pick<Kind, 'group' | 'plural' | 'sharedWith'>): string {
  if (sharedWith !== undefined) return sharedWith.plural;
  return group === '' ? plural : `${plural}.${group}`;
}
