// Watches single objects by name (`fieldSelector=metadata.name=...`): the Secrets and ConfigMaps that something refers to.
//
//   wanted -> its own list and watch -> covered by a wide watch? then handed over to it, and its own one ends
//
// A wide watch is one over many objects that keeps only wanted ones: for Secrets that of type kubernetes.io/tls. Should
// more than `limit` own watches be needed, one wide watch over the rest replaces them: connections stay few.

import type { StoreChange } from '../../objects/snapshot.ts';
import type { KubernetesObject, ObjectKey } from '../../objects/types.ts';
import type { WatchLog } from '../log.ts';
import { ObjectSink } from './object-sink.ts';
import type { WantedChange } from './references.ts';
import type { Reflector } from './reflector.ts';
import { type ApiResource, pathOf } from './resources.ts';

/** A watch over a whole collection, of which wanted objects are kept. */
export interface WideWatch {
  readonly reflector: Reflector<KubernetesObject>;
  /** True for an object that this watch tells about. */
  readonly covers: (object: KubernetesObject) => boolean;
}

export interface NamedWatchesOptions {
  readonly resource: ApiResource;
  /** Namespace of the wide watches; '' is the cluster. */
  readonly scope: string;
  /** Wide watches that run already. */
  readonly wide: readonly WideWatch[];
  /** Opens the wide watch that replaces own ones; it is started by the caller of this function. */
  readonly openRest: () => WideWatch;
  readonly openOwn: (watch: {
    readonly name: string;
    readonly resource: string;
    readonly path: string;
    readonly fieldSelector: string;
    readonly sink: ObjectSink;
  }) => Reflector<KubernetesObject>;
  /** Objects that Sluice must not start without; others are given up when access to them is refused. */
  readonly required: ReadonlySet<ObjectKey>;
  readonly emit: (changes: readonly StoreChange[]) => void;
  readonly log: WatchLog;
  /** Most own watches at a time. Default 32. */
  readonly limit?: number;
}

interface OwnWatch {
  readonly reflector: Reflector<KubernetesObject>;
  readonly sink: ObjectSink;
  /** The object as it was told last; null while there is none. */
  last: KubernetesObject | null;
  /** Resolves when the object, or its absence, or that it is refused, is known. */
  readonly known: Promise<void>;
}

const defaultLimit = 32;

export class NamedWatches {
  readonly #options: NamedWatchesOptions;
  readonly #own = new Map<ObjectKey, OwnWatch>();
  /** Own watches whose first answer has come. */
  readonly #settledKeys = new Set<ObjectKey>();
  readonly #ending = new Set<Promise<void>>();
  #rest: WideWatch | null = null;
  #isClosed = false;

  constructor(options: NamedWatchesOptions) {
    this.#options = options;
  }

  /** Follows what is wanted. Objects that are no longer wanted are deleted from the store. */
  change({ added, removed }: WantedChange): void {
    if (this.#isClosed) return;
    for (const key of removed) this.#drop(key);
    for (const key of added) {
      if (!this.#own.has(key) && !this.#isCovered(key)) this.#open(key);
    }
    if (this.#rest === null && this.#own.size > (this.#options.limit ?? defaultLimit)) this.#widen();
  }

  /** Resolves when everything wanted now is known. */
  async settled(): Promise<void> {
    let open = this.#unknown();
    while (open.length > 0) {
      await Promise.all(open);
      open = this.#unknown();
    }
  }

  get reflectors(): readonly Reflector<KubernetesObject>[] {
    const own = [...this.#own.values()].map(({ reflector }) => reflector);
    return this.#rest === null ? own : [...own, this.#rest.reflector];
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.reflectors.map((reflector) => reflector.close()));
    await Promise.all(this.#ending);
  }

  get #wide(): readonly WideWatch[] {
    return this.#rest === null ? this.#options.wide : [...this.#options.wide, this.#rest];
  }

  #isCovered(key: ObjectKey): boolean {
    return this.#wide.some(({ reflector }) => reflector.has(key));
  }

  #unknown(): readonly Promise<void>[] {
    return [...this.#own].filter(([key]) => !this.#settledKeys.has(key)).map(([, { known }]) => known);
  }

  #open(key: ObjectKey): void {
    const { resource, openOwn, log, required } = this.#options;
    const [namespace = '', name = ''] = key.split('/');
    const refused = Promise.withResolvers<void>();
    const sink = new ObjectSink({
      resource,
      name: `${resource.plural} ${key}`,
      accepts: (found) => found === key,
      emit: (changes) => this.#emit(key, changes),
      onRefused: () => {
        if (!required.has(key)) refused.resolve();
      },
      log,
    });
    const path = pathOf(resource, namespace);
    const reflector = openOwn({
      name: `${resource.plural} ${key}`,
      resource: resource.plural,
      path,
      fieldSelector: `metadata.name=${name}`,
      sink,
    });
    const known = Promise.race([reflector.synced, refused.promise]).then(() => this.#onKnown(key));
    this.#own.set(key, { reflector, sink, last: null, known });
    reflector.start();
  }

  #emit(key: ObjectKey, changes: readonly StoreChange[]): void {
    const own = this.#own.get(key);
    if (own === undefined) return;
    // Deleted here, but a wide watch has it already: the name was taken anew by an object of another type.
    const kept = changes.filter((change) => change.kind !== 'delete' || !this.#isCovered(key));
    for (const change of kept) {
      if (change.kind === 'upsert') own.last = change.object;
      if (change.kind === 'delete') own.last = null;
    }
    this.#options.emit(kept);
    if (this.#settledKeys.has(key)) this.#handOver(key);
  }

  #onKnown(key: ObjectKey): void {
    this.#settledKeys.add(key);
    this.#handOver(key);
  }

  /** Ends the own watch of an object that a wide one tells about from now on. */
  #handOver(key: ObjectKey): void {
    const own = this.#own.get(key);
    if (own === undefined || !own.reflector.state.isSynced || !this.#isInScope(key)) return;
    const { last } = own;
    const version = own.reflector.versionOf(key);
    if (last === null || version === null) {
      // Should it be created, the two wide watches see it, whatever its type.
      if (this.#rest?.reflector.state.isSynced === true) this.#end(key);
      return;
    }
    const wide = this.#wide.find(({ reflector, covers }) => reflector.state.isSynced && covers(last));
    if (wide === undefined) return;
    wide.reflector.adopt(key, version);
    this.#end(key);
  }

  #isInScope(key: ObjectKey): boolean {
    return this.#options.scope === '' || key.startsWith(`${this.#options.scope}/`);
  }

  #widen(): void {
    const rest = this.#options.openRest();
    this.#rest = rest;
    rest.reflector.start();
    void rest.reflector.synced.then(() => {
      for (const key of [...this.#own.keys()]) this.#handOver(key);
    });
  }

  #drop(key: ObjectKey): void {
    const own = this.#own.get(key);
    this.#end(key);
    for (const { reflector } of this.#wide) reflector.forget(key);
    const { resource, emit } = this.#options;
    emit([{ kind: 'delete', objectKind: resource.kind, key }, ...(own?.sink.forget(key) ?? [])]);
  }

  #end(key: ObjectKey): void {
    const own = this.#own.get(key);
    if (own === undefined) return;
    this.#own.delete(key);
    this.#settledKeys.delete(key);
    const changes = own.sink.retire();
    if (changes.length > 0) this.#options.emit(changes);
    const ending = own.reflector.close().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }
}
