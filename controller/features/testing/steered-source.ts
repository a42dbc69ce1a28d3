// A source whose changes come from a folder and from the test itself.

import { decodeObject } from '../../objects/decode.ts';
import type { ObjectSource, StoreChange } from '../../objects/snapshot.ts';
import { keyOf } from '../../objects/types.ts';
import type { ClusterChange } from './random-cluster.ts';

export class SteeredSource implements ObjectSource {
  #folder: ObjectSource | null = null;
  #apply: ((changes: readonly StoreChange[]) => void) | null = null;

  /** Takes the changes of a folder along. Gives itself. */
  beside(folder: ObjectSource): this {
    this.#folder = folder;
    return this;
  }

  async start(apply: (changes: readonly StoreChange[]) => void): Promise<void> {
    this.#apply = apply;
    await this.#folder?.start(apply);
  }

  /** Applies changes as one step, beside what the folder says. */
  apply(changes: readonly ClusterChange[]): void {
    if (this.#apply === null) throw new Error('the source is not started');
    this.#apply(changes.map(storeChangeOf));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder?.[Symbol.asyncDispose]();
  }
}

function storeChangeOf({ kind, manifest }: ClusterChange): StoreChange {
  const { object, diagnostics } = decodeObject(manifest, null);
  if (object === null || diagnostics.length > 0) throw new Error(`bad test object: ${JSON.stringify(diagnostics)}`);
  if (kind === 'upsert') return { kind, object, source: null };
  return { kind, objectKind: object.kind, key: keyOf(object.meta) };
}
