// Incremental half of select.ts: which Ingresses are ours, kept from change to change.

import type { Snapshot, SnapshotChanges } from '../../objects/snapshot.ts';
import type { Ingress, ObjectKey } from '../../objects/types.ts';
import { type AcceptedIngress, type IngressSelection, type SelectionContext, selectIngress } from '../select.ts';
import type { CompileMemory } from '../types.ts';
import type { DiagnosticBook } from './diagnostic-book.ts';

/** One Ingress that makes other routes than before. `before` and `after` are never the same and never both null. */
export interface AcceptedChange {
  readonly key: ObjectKey;
  readonly before: AcceptedIngress | null;
  readonly after: AcceptedIngress | null;
}

export class IngressStage {
  readonly #context: Omit<SelectionContext, 'ingressClasses'>;
  readonly #book: DiagnosticBook;
  readonly #selections = new Map<ObjectKey, IngressSelection>();
  /** Versions of an earlier life, each for when its Ingress comes; from there on the selections are the memory. */
  readonly #memory: Map<ObjectKey, Ingress>;

  constructor(
    context: Omit<SelectionContext, 'ingressClasses'>,
    memory: CompileMemory['acceptedIngresses'],
    book: DiagnosticBook,
  ) {
    this.#context = context;
    this.#memory = new Map(memory);
    this.#book = book;
  }

  /** Chooses again among the Ingresses that changed or whose class changed. */
  update(snapshot: Snapshot, changes: SnapshotChanges): AcceptedChange[] {
    const keys = new Set([...changes.ingresses, ...ingressesOfClasses(snapshot, changes.ingressClasses)]);
    return [...keys].flatMap((key) => this.#choose(key, snapshot) ?? []);
  }

  /** All Ingresses of the first snapshot are in: what is remembered of others is of no use. */
  forgetEarlierLife(): void {
    this.#memory.clear();
  }

  /** The version of an Ingress that counts, canary or not; null when it is not ours or was never accepted. */
  acceptedVersion(key: ObjectKey): Ingress | null {
    return this.#selections.get(key)?.remembered ?? null;
  }

  /** The versions to remember, by key. Linear in Ingresses. */
  acceptedIngresses(): CompileMemory['acceptedIngresses'] {
    const entries = [...this.#selections].map(([key, { remembered }]) => [key, remembered] as const);
    return new Map(entries.filter((entry): entry is [ObjectKey, Ingress] => entry[1] !== null));
  }

  #choose(key: ObjectKey, { ingresses, ingressClasses }: Snapshot): AcceptedChange | null {
    const before = this.#selections.get(key) ?? null;
    const ingress = ingresses.get(key);
    const earlier = this.#memory.get(key) ?? null;
    this.#memory.delete(key);
    if (ingress === undefined) {
      this.#selections.delete(key);
      this.#book.set(`ingress/${key}`, []);
      return before === null || before.accepted === null ? null : { key, before: before.accepted, after: null };
    }
    const remembered = before === null ? earlier : before.remembered;
    const selection = selectIngress(ingress, remembered, { ...this.#context, ingressClasses });
    this.#book.set(`ingress/${key}`, selection.diagnostics);
    const old = before?.accepted ?? null;
    // The same version means the same routes: an edit that was rejected, or a class that is as much ours as before.
    const isSame = old?.ingress === selection.accepted?.ingress;
    const after = isSame ? old : selection.accepted;
    this.#selections.set(key, { ...selection, accepted: after });
    return isSame ? null : { key, before: old, after };
  }
}

/** Classes change so rarely that a look at all Ingresses is cheaper than an index. */
function* ingressesOfClasses({ ingresses }: Snapshot, classes: ReadonlySet<ObjectKey>): Generator<ObjectKey> {
  if (classes.size === 0) return;
  for (const [key, { ingressClassName }] of ingresses) {
    if (ingressClassName !== null && classes.has(ingressClassName)) yield key;
  }
}
