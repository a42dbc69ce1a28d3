// Which Secrets and ConfigMaps the objects that Sluice serves refer to: only these are read. Pure.
//
// What an annotation means is the business of controller/compile; here it only matters that it names an object. To read one
// that is not used in the end costs a little, to miss one costs traffic: so nothing is judged here but the form.

import type { ConfigMap, Ingress, ObjectKey } from '../../objects/types.ts';

/** Annotations (without prefix) that name a Secret, as `namespace/name` or as `name` in the namespace of the Ingress. */
export const secretAnnotations = ['auth-secret', 'auth-tls-secret', 'proxy-ssl-secret'] as const;
/** Annotations that name a ConfigMap in the same two forms. */
export const configMapAnnotations = ['auth-proxy-set-headers', 'custom-headers', 'fastcgi-params-configmap'] as const;
/** Keys of the global ConfigMap that name another ConfigMap, as `namespace/name`. */
export const configMapKeys = ['add-headers', 'proxy-set-headers'] as const;
/** Keys of the global ConfigMap that name a Secret, as `namespace/name`. */
export const secretKeys = ['ssl-dh-param'] as const;

export interface ObjectReferences {
  readonly secrets: readonly ObjectKey[];
  readonly configMaps: readonly ObjectKey[];
}

/** What an Ingress refers to. @param prefix `--annotations-prefix`. */
export function referencesOfIngress({ meta, tls }: Ingress, prefix: string): ObjectReferences {
  const { namespace, annotations } = meta;
  const named = (names: readonly string[]) =>
    names.flatMap((name) => parseReference(annotations[`${prefix}/${name}`] ?? '', namespace));
  const tlsSecrets = tls.flatMap(({ secretName }) => parseReference(secretName, namespace));
  return { secrets: [...tlsSecrets, ...named(secretAnnotations)], configMaps: named(configMapAnnotations) };
}

/** What the global ConfigMap refers to. */
export function referencesOfConfigMap({ meta, data }: ConfigMap): ObjectReferences {
  const named = (keys: readonly string[]) => keys.flatMap((key) => parseReference(data[key] ?? '', meta.namespace));
  return { secrets: named(secretKeys), configMaps: named(configMapKeys) };
}

const namePattern = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;

/** Names that cannot be are left to compile to report: they must not become part of a request. */
function parseReference(text: string, namespace: string): readonly ObjectKey[] {
  const parts = text.trim().split('/');
  const [first = '', second] = parts;
  if (parts.length > 2 || !parts.every((part) => part.length <= 253 && namePattern.test(part))) return [];
  return [second === undefined ? `${namespace}/${first}` : `${first}/${second}`];
}

/** What began and what ceased to be wanted. */
export interface WantedChange {
  readonly added: readonly ObjectKey[];
  readonly removed: readonly ObjectKey[];
}

/** Counts references to objects of one kind: an object is wanted for as long as somebody refers to it. */
export class ReferenceCounts {
  readonly #byOwner = new Map<string, readonly ObjectKey[]>();
  readonly #counts = new Map<ObjectKey, number>();

  /** Sets what an owner refers to, in place of what it did before; an empty list forgets the owner. */
  set(owner: string, keys: readonly ObjectKey[]): WantedChange {
    const before = this.#byOwner.get(owner) ?? [];
    if (keys.length === 0) this.#byOwner.delete(owner);
    else this.#byOwner.set(owner, keys);
    const touched = new Map([...before, ...keys].map((key) => [key, this.#counts.has(key)]));
    for (const key of keys) this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    for (const key of before) this.#release(key);
    const changed = [...touched].filter(([key, wasWanted]) => wasWanted !== this.#counts.has(key));
    return {
      added: changed.filter(([, wasWanted]) => !wasWanted).map(([key]) => key),
      removed: changed.filter(([, wasWanted]) => wasWanted).map(([key]) => key),
    };
  }

  has(key: ObjectKey): boolean {
    return this.#counts.has(key);
  }

  /** Everything that is wanted. */
  keys(): Iterable<ObjectKey> {
    return this.#counts.keys();
  }

  #release(key: ObjectKey): void {
    const count = (this.#counts.get(key) ?? 0) - 1;
    if (count <= 0) this.#counts.delete(key);
    else this.#counts.set(key, count);
  }
}
