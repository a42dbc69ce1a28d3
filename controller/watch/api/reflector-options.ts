// What a reflector (reflector.ts) is given, whom it tells, and what can be seen of it.

import type { ObjectKey } from '../../objects/types.ts';
import type { Clock } from '../clock.ts';
import type { WatchLog } from '../log.ts';
import type { ApiFailure } from './failure.ts';
import type { ApiTransport } from './transport.ts';
import type { RawObject } from './watch-stream.ts';

/** Receives what changes. All calls are synchronous. */
export interface ReflectorSink<T> {
  /** Takes over one object right away, so that the bulk of it can be freed. null: it is not wanted, or cannot be used. */
  decode(raw: RawObject): T | null;
  /** Applies as one step, perhaps an empty one. `deletes` names only objects that were given before. */
  apply(step: { readonly upserts: readonly T[]; readonly deletes: readonly ObjectKey[] }): void;
  /** A request failed; `failures` in a row. */
  onFailure(failure: ApiFailure, failures: number): void;
  /** The collection is read and watched again. Called after each success, so it must be cheap. */
  onContact(): void;
}

export interface ReflectorOptions<T> {
  /** For logs and metrics, e.g. `services`. */
  readonly name: string;
  /** Plural of the resource, for metrics. */
  readonly resource: string;
  readonly path: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
  readonly transport: ApiTransport;
  readonly sink: ReflectorSink<T>;
  readonly clock: Clock;
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number;
  readonly log: WatchLog;
  /** Reads everything again this often (`--sync-period`); 0 never does. */
  readonly relistMs: number;
}

/** What a collection's copy is worth, for metrics and the log. */
export interface ReflectorState {
  readonly name: string;
  /** Plural of the resource; several watches may read one. */
  readonly resource: string;
  readonly isSynced: boolean;
  /** Time of `Clock` when the server last said something; null when it never did. */
  readonly lastContactAtMs: number | null;
  readonly objects: number;
  /** Complete reads after the first. */
  readonly relists: number;
  readonly watchRestarts: number;
  readonly failures: number;
  /** The last failure, null when all is well. */
  readonly failure: ApiFailure | null;
}
