// The settings ConfigMap as the stages see it: whatever they read is remembered. So an edit of keys that no Ingress read
// (ciphers, log formats, limits of connections) is known to change no route, without a list of such keys to keep up.

import { equalJson } from '#proxy/table/equal.ts';
import type { ConfigMapRecord, GlobalDenial, GlobalValues } from '../settings/record.ts';

export class RecordedValues implements GlobalValues {
  #values: GlobalValues;
  readonly #records = new Set<ConfigMapRecord<unknown>>();
  readonly #keys = new Set<string>();

  constructor(values: GlobalValues) {
    this.#values = values;
  }

  get<T>(record: ConfigMapRecord<T>): T {
    // Nobody else sees the set, and it is only asked for values to compare.
    this.#records.add(record as ConfigMapRecord<unknown>);
    return this.#values.get(record);
  }

  valueOf(key: string): unknown {
    this.#keys.add(key);
    return this.#values.valueOf(key);
  }

  get denials(): readonly GlobalDenial[] {
    return this.#values.denials;
  }

  /** Takes other values in place of these, unless something that was read so far differs: then gives false. */
  replace(values: GlobalValues): boolean {
    if (!this.#readsAlike(values)) return false;
    this.#values = values;
    return true;
  }

  #readsAlike(values: GlobalValues): boolean {
    const before = this.#values;
    return (
      equalJson(before.denials, values.denials) &&
      [...this.#records].every((record) => equalJson(before.get(record), values.get(record))) &&
      [...this.#keys].every((key) => equalJson(before.valueOf(key), values.valueOf(key)))
    );
  }
}
