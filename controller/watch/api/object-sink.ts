// Between the list/watch loop of one collection and the store: decodes each object as it comes, so that managedFields
// and all else that routing does not need is dropped at once, and turns steps into StoreChanges.

import { decodeObject } from '../../objects/decode.ts';
import type { Diagnostic } from '../../objects/diagnostic.ts';
import type { StoreChange } from '../../objects/snapshot.ts';
import type { KubernetesObject, ObjectKey } from '../../objects/types.ts';
import type { WatchLog } from '../log.ts';
import type { ApiFailure } from './failure.ts';
import type { ReflectorSink } from './reflector-options.ts';
import { type ApiResource, apiVersionOf } from './resources.ts';
import type { RawObject } from './watch-stream.ts';

export interface ObjectSinkOptions {
  readonly resource: ApiResource;
  /** Name of the watch in diagnostics and logs, unique. */
  readonly name: string;
  /** False for an object that is not wanted: it is dropped before it is decoded. */
  readonly accepts: (key: ObjectKey) => boolean;
  readonly emit: (changes: readonly StoreChange[]) => void;
  /** Called with each accepted object as the API sent it, before it is decoded. */
  readonly onRaw?: (raw: RawObject) => void;
  /** Called when a failure has been told, and thus the watch need not be waited for. */
  readonly onRefused?: (failure: ApiFailure) => void;
  readonly log: WatchLog;
}

/** So many failures in a row, some 3 s, may be a server that restarts: nobody needs to hear of it. */
const failuresToTell = 3;

export class ObjectSink implements ReflectorSink<KubernetesObject> {
  readonly #options: ObjectSinkOptions;
  /** Objects with diagnostics, which must be taken back some day. */
  readonly #reported = new Set<ObjectKey>();
  /** Diagnostics of objects decoded since the last step. */
  #pending: StoreChange[] = [];
  #isFailing = false;
  #hasObjects = false;

  constructor(options: ObjectSinkOptions) {
    this.#options = options;
  }

  decode(raw: RawObject): KubernetesObject | null {
    const { resource, accepts, onRaw } = this.#options;
    if (!accepts(raw.key)) return null;
    onRaw?.(raw);
    // Items of a list carry neither kind nor apiVersion (recorded).
    const json = { ...raw.json, kind: resource.kind, apiVersion: apiVersionOf(resource) };
    const { object, diagnostics } = decodeObject(json, null);
    this.#report(raw.key, diagnostics);
    return object;
  }

  apply({ upserts, deletes }: { upserts: readonly KubernetesObject[]; deletes: readonly ObjectKey[] }): void {
    this.#hasObjects = true;
    for (const key of deletes) this.#report(key, []);
    const changes: StoreChange[] = [
      ...deletes.map((key) => ({ kind: 'delete', objectKind: this.#options.resource.kind, key }) as const),
      ...upserts.map((object) => ({ kind: 'upsert', object, source: null }) as const),
      ...this.#pending,
    ];
    this.#pending = [];
    if (changes.length > 0) this.#options.emit(changes);
  }

  onFailure(failure: ApiFailure, failures: number): void {
    const isRefused = failure.kind === 'forbidden' || failure.kind === 'missing';
    if (!this.#isFailing && (isRefused || failures >= failuresToTell)) {
      this.#isFailing = true;
      const diagnostic = this.#unreadable(failure, isRefused);
      this.#options.log.warn({ resource: this.#options.name, failures, why: failure.message }, diagnostic.message);
      this.#options.emit([{ kind: 'sourceDiagnostics', origin: this.#watchOrigin, diagnostics: [diagnostic] }]);
    }
    if (isRefused) this.#options.onRefused?.(failure);
  }

  onContact(): void {
    if (!this.#isFailing) return;
    this.#isFailing = false;
    this.#options.log.warn({ resource: this.#options.name }, `${this.#options.name} can be read again`);
    this.#options.emit([{ kind: 'sourceDiagnostics', origin: this.#watchOrigin, diagnostics: [] }]);
  }

  /** Takes back what was reported about the watch and about one object that is dropped. */
  forget(key: ObjectKey): readonly StoreChange[] {
    const isReported = this.#reported.delete(key);
    return isReported ? [{ kind: 'sourceDiagnostics', origin: this.#originOf(key), diagnostics: [] }] : [];
  }

  /** What to emit when the watch is over. */
  retire(): readonly StoreChange[] {
    return this.#isFailing ? [{ kind: 'sourceDiagnostics', origin: this.#watchOrigin, diagnostics: [] }] : [];
  }

  #report(key: ObjectKey, diagnostics: readonly Diagnostic[]): void {
    if (diagnostics.length === 0 && !this.#reported.has(key)) return;
    if (diagnostics.length === 0) this.#reported.delete(key);
    else this.#reported.add(key);
    this.#pending.push({ kind: 'sourceDiagnostics', origin: this.#originOf(key), diagnostics });
  }

  #originOf(key: ObjectKey): string {
    return `api//${this.#options.resource.kind}/${key}`;
  }

  get #watchOrigin(): string {
    return `api//watch/${this.#options.name}`;
  }

  #unreadable(failure: ApiFailure, isRefused: boolean): Diagnostic {
    const { name } = this.#options;
    const why = isRefused ? failure.message : 'the API server does not answer as it should';
    const effect = this.#hasObjects
      ? 'traffic goes on with what was read before'
      : 'what they hold is not used, and while it is needed Sluice does not become ready';
    return {
      severity: isRefused ? 'error' : 'warning',
      reason: isRefused ? 'ApiAccessRefused' : 'ApiUnavailable',
      object: { kind: 'ApiServer', namespace: '', name },
      field: '',
      message: `${name} cannot be read (${why}); ${effect}`,
      source: null,
    };
  }
}
