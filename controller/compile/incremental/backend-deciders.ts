// Which Ingress decides about the settings of each backend: the oldest that names it.

import { compareIngresses } from '../order.ts';
import type { AcceptedIngress } from '../select.ts';
import type { ServiceVoices } from '../service-settings.ts';
import { namedBackends } from '../upstreams.ts';
import type { AcceptedChange } from './ingress-stage.ts';

interface Naming {
  readonly by: Set<AcceptedIngress>;
  /** Of these, those with annotations of service scope. */
  readonly speakers: Set<AcceptedIngress>;
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

  /**
   * Who has a word about the backend; null when nobody names it. Linear in the speakers, and in the Ingresses that name
   * it after the oldest has gone.
   */
  voicesOn(key: string): ServiceVoices | null {
    const naming = this.#namings.get(key);
    if (naming === undefined) return null;
    naming.oldest ??= [...naming.by].reduce(older);
    const speakers = [...naming.speakers].sort((a, b) => compareIngresses(a.ingress, b.ingress));
    return { oldest: naming.oldest, speakers };
  }

  #forget(ingress: AcceptedIngress, touched: Set<string>): void {
    for (const key of namedBackends(ingress)) {
      touched.add(key);
      const naming = this.#namings.get(key);
      naming?.by.delete(ingress);
      naming?.speakers.delete(ingress);
      if (naming?.oldest === ingress) naming.oldest = null;
      if (naming?.by.size === 0) this.#namings.delete(key);
    }
  }

  #note(ingress: AcceptedIngress, touched: Set<string>): void {
    for (const key of namedBackends(ingress)) {
      touched.add(key);
      const naming = this.#namings.get(key) ?? { by: new Set(), speakers: new Set(), oldest: ingress };
      this.#namings.set(key, naming);
      naming.by.add(ingress);
      if (ingress.speaksOfServices) naming.speakers.add(ingress);
      if (naming.oldest !== null) naming.oldest = older(naming.oldest, ingress);
    }
  }
}

function older(a: AcceptedIngress, b: AcceptedIngress): AcceptedIngress {
  return compareIngresses(a.ingress, b.ingress) <= 0 ? a : b;
}
