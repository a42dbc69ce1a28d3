// The Ingresses that the admission webhook has counted, in the order of their last review. Bounded: whoever may submit
// Ingresses chooses their names, and each has series of its own, also one that was refused.

export type IngressLabels = Readonly<Record<'namespace' | 'ingress', string>>;

/** The size of cluster that Sluice is made for. */
const MAX_REMEMBERED = 10_000;

export class ReviewedIngresses {
  readonly #most: number;
  readonly #byName = new Map<string, IngressLabels>();

  constructor(most = MAX_REMEMBERED) {
    this.#most = most;
  }

  /** Notes a review. Gives the Ingress to forget for it, the one whose last review is longest ago; null for none. */
  note(labels: IngressLabels): IngressLabels | null {
    const name = `${labels.namespace}/${labels.ingress}`;
    this.#byName.delete(name);
    this.#byName.set(name, labels);
    if (this.#byName.size <= this.#most) return null;
    const [oldest] = this.#byName;
    if (oldest === undefined) return null;
    this.#byName.delete(oldest[0]);
    return oldest[1];
  }
}
