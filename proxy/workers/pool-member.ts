// One place in the worker pool: the thread that fills it now, and what the pool knows about it.
//
//   down --start--> starting --started--> idle --ack--> synced --listen--> opening --listening--> serving
//   any --drained--> drained, any --exit--> down
// Only the pool writes `phase` and the revisions; this file starts threads and hands their messages on.

import { Worker } from 'node:worker_threads';
import { BackOff } from './back-off.ts';
import type { FromWorker, ToWorker, WorkerSample, WorkerStart } from './messages.ts';
import type { Timers } from './timers.ts';

/** `idle`: runs but has acknowledged no table. `synced`: has a table and may open its listeners. */
export type WorkerPhase = 'down' | 'starting' | 'idle' | 'synced' | 'opening' | 'serving' | 'drained';

export interface MemberEvents {
  readonly onMessage: (member: PoolMember, message: FromWorker) => void;
  /** The thread is gone. `error` is what it threw, null when it just ended. */
  readonly onExit: (member: PoolMember, error: Error | null, exitCode: number) => void;
}

export class PoolMember {
  readonly id: number;
  phase: WorkerPhase = 'down';
  /** Highest revision sent to and acknowledged by the present thread. 0 is none. */
  sentRevision = 0;
  ackedRevision = 0;
  /** When the present thread began to serve, by the pool's clock; null while it does not. */
  servingSinceMs: number | null = null;
  /** Last sample of the present thread. */
  lastSample: WorkerSample | null = null;
  /** Threads started here after the first. */
  restarts = 0;
  readonly backOff = new BackOff();
  readonly #events: MemberEvents;
  #cancelWatch: (() => void) | null = null;
  #thread: Worker | null = null;

  constructor(id: number, events: MemberEvents) {
    this.id = id;
    this.#events = events;
  }

  /** Starts a thread. Messages and the exit of earlier threads are ignored from now on. */
  start(url: URL, workerData: WorkerStart): void {
    const thread = new Worker(url, { workerData, name: `sluice-worker-${this.id}` });
    this.#thread = thread;
    this.phase = 'starting';
    let thrown: Error | null = null;
    thread.on('message', (message: FromWorker) => {
      if (this.#thread === thread) this.#events.onMessage(this, message);
    });
    thread.on('error', (error: unknown) => {
      thrown = toError(error);
    });
    thread.on('exit', (exitCode) => {
      if (this.#thread !== thread) return;
      this.#thread = null;
      this.#events.onExit(this, thrown, exitCode);
    });
  }

  /** Forgets everything about the thread that is gone. */
  reset(): void {
    this.unwatch();
    this.phase = 'down';
    this.sentRevision = 0;
    this.ackedRevision = 0;
    this.servingSinceMs = null;
    this.lastSample = null;
  }

  /** Calls `onStuck` after `limitMs` unless `unwatch` is called before. A watch that runs already is not prolonged. */
  watch(timers: Timers, limitMs: number, onStuck: () => void): void {
    this.#cancelWatch ??= timers.after(limitMs, onStuck);
  }

  unwatch(): void {
    this.#cancelWatch?.();
    this.#cancelWatch = null;
  }

  /** Sends a message; does nothing when no thread runs. */
  send(message: ToWorker): void {
    this.#thread?.postMessage(message);
  }

  /** Ends the thread without ceremony; resolves when it is gone. `onExit` is called as for a crash. */
  async terminate(): Promise<void> {
    await this.#thread?.terminate();
  }
}

/** What a thread threw, as an Error. It crossed a thread, so `instanceof` would not tell. */
function toError(thrown: unknown): Error {
  const isError = typeof thrown === 'object' && thrown !== null && 'message' in thrown && 'stack' in thrown;
  return isError ? (thrown as Error) : new Error(`worker threw ${String(thrown)}`);
}
