// Which Ingress decides about the settings of each backend: the oldest that names it.

import { compareIngresses } from '../order.ts';
import type { AcceptedIngress } from '../select.ts';
import { isViaClusterIp, namedBackends } from '../upstreams.ts';
import type { AcceptedChange } from './ingress-stage.ts';

interface Naming {
  readonly by: Set<AcceptedIngress>;
  /** null: not known at the moment. */
  oldest: AcceptedIngress | null;
}

export class BackendDeciders {
  /** By `backendKey`. */
  readonly #namings = new Map<string, Naming>();

  /** Gives the keys of all backends that the changed Ingresses name or named. */
  update(accepted: readonly AcceptedChange[]): Set<string> {
    const touched = new Set<string>();
    for (const { before, after } of accepted) {
      if (before !== null) this.#forget(before, touched);
      if (after !== null) this.#note(after, touched);
    }
    return touched;
  }

  /** Whether the backend is reached by ClusterIP. Linear in the Ingresses that name it after the oldest has gone. */
  isViaClusterIp(key: string): boolean {
    const naming = this.#namings.get(key);
    if (naming === undefined) return false;
    naming.oldest ??= [...naming.by].reduce(older);
    return isViaClusterIp(naming.oldest);
  }

  #forget(ingress: AcceptedIngress, touched: Set<string>): void {
    for (const key of namedBackends(ingress)) {
      touched.add(key);
      const naming = this.#namings.get(key);
      naming?.by.delete(ingress);
      if (naming?.oldest === ingress) naming.oldest = null;
      if (naming?.by.size === 0) this.#namings.delete(key);
    }
  }

  #note(ingress: AcceptedIngress, touched: Set<string>): void {
    for (const key of namedBackends(ingress)) {
      touched.add(key);
      const naming = this.#namings.get(key);
      if (naming === undefined) {
        this.#namings.set(key, { by: new Set([ingress]), oldest: ingress });
        continue;
      }
      naming.by.add(ingress);
      if (naming.oldest !== null) naming.oldest = older(naming.oldest, ingress);
    }
  }
}

function older(a: AcceptedIngress, b: AcceptedIngress): AcceptedIngress {
  return compareIngresses(a.ingress, b.ingress) <= 0 ? a : b;
}
