// A map from a key to a set that has no empty sets: who depends on what.

export class KeyIndex {
  readonly #byKey = new Map<string, Set<string>>();

  add(key: string, dependant: string): void {
    const dependants = this.#byKey.get(key);
    if (dependants === undefined) this.#byKey.set(key, new Set([dependant]));
    else dependants.add(dependant);
  }

  remove(key: string, dependant: string): void {
    const dependants = this.#byKey.get(key);
    dependants?.delete(dependant);
    if (dependants?.size === 0) this.#byKey.delete(key);
  }

  has(key: string): boolean {
    return this.#byKey.has(key);
  }

  /** The dependants as they are now: later changes do not show. */
  get(key: string): readonly string[] {
    return [...(this.#byKey.get(key) ?? [])];
  }
}
