// `--watch-namespace-selector`: shows only Ingresses of namespaces that carry the labels. Pure.
//
// Only Ingresses are hidden: they are the roots from which all else is reached, and in their own namespace. The server
// matches the selector, so a namespace that loses the label is a deleted one here. Ingresses that come before their
// namespace wait: to serve them first and ask later would serve what was left out.

import type { StoreChange } from '../../objects/snapshot.ts';
import { type Ingress, keyOf, type ObjectKey } from '../../objects/types.ts';

export class NamespaceFilter {
  readonly #selected = new Set<string>();
  /** All Ingresses, by namespace: what is hidden now may have to be shown. */
  readonly #ingresses = new Map<string, Map<ObjectKey, Ingress>>();

  /** Passes changes on, without those of hidden Ingresses, and with those that a change of a namespace brings. */
  filter(changes: readonly StoreChange[]): readonly StoreChange[] {
    return changes.flatMap((change) => this.#filterOne(change));
  }

  #filterOne(change: StoreChange): readonly StoreChange[] {
    if (change.kind === 'upsert' && change.object.kind === 'Namespace')
      return [...this.#show(change.object.meta.name), change];
    if (change.kind === 'delete' && change.objectKind === 'Namespace') return [...this.#hide(change.key), change];
    if (change.kind === 'upsert' && change.object.kind === 'Ingress') {
      const { namespace } = change.object.meta;
      this.#keep(namespace, change.object);
      return this.#selected.has(namespace) ? [change] : [];
    }
    if (change.kind === 'delete' && change.objectKind === 'Ingress') {
      const namespace = change.key.split('/', 1)[0] ?? '';
      this.#drop(namespace, change.key);
      return this.#selected.has(namespace) ? [change] : [];
    }
    return [change];
  }

  #show(namespace: string): readonly StoreChange[] {
    if (this.#selected.has(namespace)) return [];
    this.#selected.add(namespace);
    const ingresses = [...(this.#ingresses.get(namespace)?.values() ?? [])];
    return ingresses.map((object) => ({ kind: 'upsert', object, source: null }));
  }

  #hide(namespace: string): readonly StoreChange[] {
    if (!this.#selected.delete(namespace)) return [];
    const keys = [...(this.#ingresses.get(namespace)?.keys() ?? [])];
    return keys.map((key) => ({ kind: 'delete', objectKind: 'Ingress', key }));
  }

  #keep(namespace: string, ingress: Ingress): void {
    const known = this.#ingresses.get(namespace);
    const key = keyOf(ingress.meta);
    if (known === undefined) this.#ingresses.set(namespace, new Map([[key, ingress]]));
    else known.set(key, ingress);
  }

  /** Namespaces come and go: of one without Ingresses nothing is kept. */
  #drop(namespace: string, key: ObjectKey): void {
    const known = this.#ingresses.get(namespace);
    known?.delete(key);
    if (known?.size === 0) this.#ingresses.delete(namespace);
  }
}
