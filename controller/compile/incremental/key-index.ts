// A map from a key to a set that has no empty sets: who depends on what.

export class KeyIndex {
  /** One dependant stands for itself: most keys have one, and a set of one is 230 bytes. */
  readonly #byKey = new Map<string, string | Set<string>>();

  add(key: string, dependant: string): void {
    const known = this.#byKey.get(key);
    if (known === undefined) this.#byKey.set(key, dependant);
    else if (typeof known !== 'string') known.add(dependant);
    else if (known !== dependant) this.#byKey.set(key, new Set([known, dependant]));
  }

  remove(key: string, dependant: string): void {
    const known = this.#byKey.get(key);
    if (known === dependant) this.#byKey.delete(key);
    if (typeof known === 'string') return;
    known?.delete(dependant);
    if (known?.size === 0) this.#byKey.delete(key);
  }

  has(key: string): boolean {
    return this.#byKey.has(key);
  }

  /** The dependants as they are now: later changes do not show. */
  get(key: string): readonly string[] {
    const known = this.#byKey.get(key) ?? [];
    return typeof known === 'string' ? [known] : [...known];
  }
}
