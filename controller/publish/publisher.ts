// Brings each compiled table to the workers: numbers it, sends what changed since the last one, waits for the acks.
//
//   compile result --publish--> diff --encode once--> pool --acks--> outcome
//
// One update is on its way at a time. Results that arrive meanwhile wait in a single place where the newest replaces
// the others: when changes outrun the workers, tables are left out, never queued.

import { encodeUpdate, encodeUpdateInTurns } from '#proxy/table/codec.ts';
import type { FullUpdate, TableUpdate } from '#proxy/table/update.ts';
import { isLongUpdate } from '#proxy/table/update-lines.ts';
import type { WorkerProblem } from '#proxy/workers/messages.ts';
import type { AckReport, TableBroadcast } from '#proxy/workers/pool.ts';
import type { TableVersion } from '../compile/table-version.ts';
import { changesConfiguration, diffTables, fullUpdateOf, type NumberedTable } from './diff.ts';

/** What is published of a compile result. */
export interface PublishInput {
  readonly version: TableVersion;
}

export type PublishOutcome =
  /** The table equals the published one: nothing was sent. */
  | { readonly kind: 'unchanged'; readonly revision: number }
  /** A newer result took its place before it could be sent. */
  | { readonly kind: 'superseded' }
  /** Workers died of it: the table before serves on, and the next one builds on that. */
  | { readonly kind: 'rejected'; readonly revision: number }
  /** The workers were stopped before they acknowledged. */
  | { readonly kind: 'abandoned'; readonly revision: number }
  | PublishedOutcome;

/** All live workers serve the table. */
export interface PublishedOutcome {
  readonly kind: 'published';
  readonly revision: number;
  readonly form: 'full' | 'parts';
  /** Size of the encoded update. */
  readonly bytes: number;
  /** From the call of `publish` to the last ack, waiting for an earlier update included. */
  readonly latencyMs: number;
  readonly workers: number;
  /** false: only endpoints or certificates changed, which ingress-nginx does not count as a reload. */
  readonly changesConfiguration: boolean;
  readonly problems: readonly WorkerProblem[];
}

export interface UpdateFollower {
  /** Called before an update is sent. */
  onUpdate(update: TableUpdate): void;
  /** The last update was given up; the whole table that is in force again. */
  onGivenUp(inForce: FullUpdate): void;
  /** All live workers serve the last update. */
  onAcknowledged(): void;
}

export interface PublisherOptions {
  /** Sends to all workers and resolves with their acks: `WorkerPool.publish`. */
  readonly send: (broadcast: TableBroadcast) => Promise<AckReport>;
  /** Hears what workers are about to serve, and when all do: `EndpointWatch`. */
  readonly follower?: UpdateFollower;
  /** Milliseconds that only go forward. */
  readonly nowMs: () => number;
  /** Resolves when others have had their turn on this thread: between the pieces of a large update. */
  readonly turn: () => Promise<void>;
}

interface Waiting {
  readonly input: PublishInput;
  readonly sinceMs: number;
  readonly resolve: (outcome: PublishOutcome) => void;
  readonly reject: (error: unknown) => void;
}

export class Publisher {
  readonly #options: PublisherOptions;
  #published: NumberedTable | null = null;
  /** Numbers are never used twice, also those of rejected tables. */
  #lastRevision = 0;
  #acknowledgedRevision = 0;
  #isSending = false;
  #waiting: Waiting | null = null;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** The table that was sent last, with its revision; null before the first. */
  get published(): NumberedTable | null {
    return this.#published;
  }

  /** Revision that was sent last; 0 before the first. */
  get currentRevision(): number {
    return this.#published?.revision ?? 0;
  }

  /** Revision that all live workers serve; 0 before the first. */
  get acknowledgedRevision(): number {
    return this.#acknowledgedRevision;
  }

  /**
   * Publishes a result and resolves with what became of it. Rejects only on a bug: a table that cannot be encoded; the
   * published table stays in force then.
   */
  publish(input: PublishInput): Promise<PublishOutcome> {
    const { promise, resolve, reject } = Promise.withResolvers<PublishOutcome>();
    this.#waiting?.resolve({ kind: 'superseded' });
    this.#waiting = { input, sinceMs: this.#options.nowMs(), resolve, reject };
    if (!this.#isSending) void this.#sendWaiting();
    return promise;
  }

  /** Sends what waits until nothing does. Never rejects: every failure belongs to the one who published. */
  async #sendWaiting(): Promise<void> {
    this.#isSending = true;
    for (let next = this.#takeWaiting(); next !== null; next = this.#takeWaiting()) {
      try {
        next.resolve(await this.#send(next));
      } catch (error) {
        next.reject(error);
      }
    }
    this.#isSending = false;
  }

  #takeWaiting(): Waiting | null {
    const next = this.#waiting;
    this.#waiting = null;
    return next;
  }

  async #send({ input, sinceMs }: Waiting): Promise<PublishOutcome> {
    const before = this.#published;
    const next: NumberedTable = { revision: this.#lastRevision + 1, version: input.version };
    const update = diffTables(before, next);
    if (update === null) return { kind: 'unchanged', revision: this.currentRevision };
    const bytes = isLongUpdate(update) ? await encodeUpdateInTurns(update, this.#options.turn) : encodeUpdate(update);
    const full = new FullEncoding(next, update.kind === 'full' ? bytes : null);
    this.#published = next;
    this.#lastRevision = next.revision;
    const { follower } = this.#options;
    follower?.onUpdate(update);
    const report = await this.#options.send({ revision: next.revision, bytes, encodeFull: () => full.encode() });
    full.release();
    if (report.kind === 'closed') return { kind: 'abandoned', revision: next.revision };
    if (report.kind === 'rejected') {
      this.#published = before;
      if (before !== null) follower?.onGivenUp(fullUpdateOf(before));
      return { kind: 'rejected', revision: next.revision };
    }
    this.#acknowledgedRevision = next.revision;
    follower?.onAcknowledged();
    return {
      kind: 'published',
      revision: next.revision,
      form: update.kind,
      bytes: bytes.byteLength,
      latencyMs: this.#options.nowMs() - sinceMs,
      workers: report.workers,
      changesConfiguration: changesConfiguration(update, before),
      problems: report.problems,
    };
  }
}

/**
 * The whole table for workers that have no base. While the update is on its way several may need it, and it is encoded
 * once; later only one that was restarted does, perhaps never, and with 10,000 routes it is 20 MB.
 */
class FullEncoding {
  readonly #table: NumberedTable;
  #bytes: SharedArrayBuffer | null;
  #isReleased = false;

  constructor(table: NumberedTable, bytes: SharedArrayBuffer | null) {
    this.#table = table;
    this.#bytes = bytes;
  }

  encode(): SharedArrayBuffer {
    const bytes = this.#bytes ?? encodeUpdate(fullUpdateOf(this.#table));
    if (!this.#isReleased) this.#bytes = bytes;
    return bytes;
  }

  /** Lets go of the bytes; they are made again should somebody ask. */
  release(): void {
    this.#isReleased = true;
    this.#bytes = null;
  }
}
