// The main thread's side of the workers: starts them, gives them the routing table, and replaces those that crash.
//
//   start() -> ports checked -> N threads -> publish(first table) -> acks -> `listen` to one worker, whose choice of
//   ports the others repeat -> all serving: ready
//   crash -> others go on -> back-off -> new thread -> full table -> ack -> `listen`
//
// It routes nothing and reads no table: updates are bytes in shared memory, the same for every worker.

import { LimitTable } from '../filters/limit-table.ts';
import type { StreamId } from '../table/types.ts';
import { addSamples, emptySample, keepSeries, withoutGauges } from './merge-samples.ts';
import type {
  FromWorker,
  ListenerSettings,
  ToWorker,
  WorkerLogEntry,
  WorkerProblem,
  WorkerSample,
  WorkerStart,
} from './messages.ts';
import { PoolMember, type WorkerPhase } from './pool-member.ts';
import { checkPortsFree, ListenError } from './port-check.ts';
import { type AckReport, Rollout, type TableBroadcast } from './rollout.ts';
import { systemTimers, type Timers } from './timers.ts';

export interface WorkerPoolOptions {
  /** Module of the worker; it speaks the protocol of messages.ts. */
  readonly workerUrl: URL;
  /** Number of workers, at least 1. */
  readonly size: number;
  readonly start: Omit<WorkerStart, 'id'>;
  readonly events: WorkerPoolEvents;
  /** Default: the real clock. */
  readonly timers?: Timers;
  /** A worker that does not start or acknowledge an update in this time is stuck: it is ended and replaced. Default 30 s. */
  readonly responseTimeoutMs?: number;
}

export interface WorkerPoolEvents {
  readonly onLog: (workerId: number, entry: WorkerLogEntry) => void;
  /** Complete lines, each ended by a line feed. */
  readonly onAccessLog: (lines: string) => void;
  readonly onCrash: (crash: WorkerCrash) => void;
  readonly onProblem: (workerId: number, problem: WorkerProblem) => void;
  /** A worker has acknowledged its first table: messages about endpoints reach it from here on. */
  readonly onSynced?: (workerId: number) => void;
  /** As `StreamServicesOptions.onPortFault`. What a worker has told is void when it dies. */
  readonly onPortFault?: (workerId: number, id: StreamId, fault: string | null) => void;
}

export type { WorkerLogEntry } from './messages.ts';

export interface WorkerCrash {
  readonly workerId: number;
  /** What the worker threw, or why the pool ended it; null when it just exited. */
  readonly error: Error | null;
  readonly exitCode: number;
  /** When the next thread starts. */
  readonly restartInMs: number;
}

/** Part of what `publish` takes and gives. */
export type { AckReport, TableBroadcast } from './rollout.ts';

export interface WorkerStatus {
  readonly id: number;
  readonly phase: WorkerPhase;
  readonly revision: number;
  readonly restarts: number;
}

export interface DrainReport {
  /** Connections that were cut at the deadline, over all workers that answered. */
  readonly cutConnections: number;
  /** Workers that did not answer in time and will be ended by `close`. */
  readonly unresponsive: number;
}

const defaultResponseTimeoutMs = 30_000;
/** What a worker may need beyond the drain deadline to report. */
const drainGraceMs = 1000;

interface SampleWait {
  readonly from: Set<PoolMember>;
  readonly resolve: () => void;
}

export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #timers: Timers;
  readonly #members: readonly PoolMember[];
  readonly #ready = Promise.withResolvers<void>();
  readonly #rollout: Rollout;
  readonly #sampleWaits = new Map<number, SampleWait>();
  readonly #restartTimers = new Set<() => void>();
  #nextSampleId = 1;
  /** What dead workers had counted. */
  #retired: WorkerSample = emptySample;
  /** Listeners with the ports that are really open; null until the first worker has opened them. */
  #opened: readonly ListenerSettings[] | null = null;
  #isReady = false;
  #stopping = false;
  #drain: { cutConnections: number; readonly pending: Set<PoolMember>; readonly resolve: () => void } | null = null;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    this.#timers = options.timers ?? systemTimers;
    const events = {
      onMessage: (member: PoolMember, message: FromWorker) => this.#onMessage(member, message),
      onExit: (member: PoolMember, error: Error | null, exitCode: number) => this.#onExit(member, error, exitCode),
    };
    this.#members = Array.from({ length: options.size }, (_, id) => new PoolMember(id, events));
    this.#rollout = new Rollout({
      members: this.#members,
      send: (member, revision, bytes) => this.#send(member, revision, bytes),
      onRejected: (member, revision, serving) => this.#logRejected(member, revision, serving),
    });
    // Whoever awaits `ready` sees the failure; without anybody it is no unhandled rejection.
    this.#ready.promise.catch(() => undefined);
  }

  /** Checks that the listeners' ports are free and starts the threads. Throws ListenError, then nothing was started. */
  async start(): Promise<void> {
    await checkPortsFree(this.#options.start.listeners);
    if (this.#stopping) return;
    for (const member of this.#members) this.#startThread(member);
  }

  /** Resolves once every worker has acknowledged a table and listens; rejects with ListenError if that cannot be. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** True from `ready` on, until `drain` or `close`. Later crashes do not change it: the other workers serve. */
  get isReady(): boolean {
    return this.#isReady && !this.#stopping;
  }

  /** Listeners with their real ports; null before the first worker has opened them. */
  get listeners(): readonly ListenerSettings[] | null {
    return this.#opened;
  }

  /** State of each worker, by id. */
  get workers(): readonly WorkerStatus[] {
    return this.#members.map(({ id, phase, ackedRevision, restarts }) => ({
      id,
      phase,
      revision: ackedRevision,
      restarts,
    }));
  }

  /**
   * Brings an update to every worker, to one of them first, and resolves when all that live have acknowledged it or a
   * later one, or when it is clear that workers die of it. A worker that is being restarted is not waited for.
   */
  publish(broadcast: TableBroadcast): Promise<AckReport> {
    return this.#rollout.publish(broadcast);
  }

  /** Sends a message to all workers that run, or to one of them. */
  tell(message: ToWorker, workerId: number | null): void {
    for (const member of this.#members) if (workerId === null || member.id === workerId) member.send(message);
  }

  /**
   * Forgets what dead workers had counted in series that are gone, as live ones do by themselves: without it, memory
   * would grow with every Ingress that ever was. Ask before `sample`. Linear in series; nothing while no worker has died.
   */
  retain(isKept: (labels: Readonly<Record<string, string>>) => boolean): void {
    this.#retired = keepSeries(this.#retired, isKept);
  }

  /**
   * Asks all workers for their metrics and adds them up. A worker that does not answer within `timeoutMs` counts with
   * its last sample, a dead one with what it had counted: counters never go back.
   */
  async sample(timeoutMs: number): Promise<WorkerSample> {
    const asked = this.#members.filter(({ phase }) => phase !== 'down' && phase !== 'starting');
    if (asked.length > 0) await this.#askForSamples(asked, timeoutMs);
    const last = this.#members.flatMap((member) => member.lastSample ?? []);
    return addSamples([this.#retired, ...last]);
  }

  /**
   * Lets all workers stop accepting, finish what runs, and cut what is left after `deadlineMs`. Crashed workers are not
   * replaced any more. Call `close` afterwards.
   */
  async drain(deadlineMs: number): Promise<DrainReport> {
    this.#stop();
    const pending = new Set(this.#members.filter(({ phase }) => phase !== 'down'));
    if (pending.size === 0) return { cutConnections: 0, unresponsive: 0 };
    const { promise, resolve } = Promise.withResolvers<void>();
    const drain = { cutConnections: 0, pending, resolve };
    this.#drain = drain;
    const cancel = this.#timers.after(deadlineMs + drainGraceMs, resolve);
    for (const member of pending) member.send({ type: 'drain', deadlineMs });
    await promise;
    cancel();
    this.#drain = null;
    return { cutConnections: drain.cutConnections, unresponsive: pending.size };
  }

  /** Ends all threads at once and everything that waits for them. May be called in any state, also twice. */
  async close(): Promise<void> {
    this.#stop();
    this.#rollout.close();
    await Promise.all(this.#members.map((member) => member.terminate()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #stop(): void {
    this.#stopping = true;
    for (const cancel of this.#restartTimers) cancel();
    this.#restartTimers.clear();
    this.#ready.reject(new Error('the worker pool was stopped before it was ready'));
  }

  #startThread(member: PoolMember): void {
    member.start(this.#options.workerUrl, { ...this.#options.start, id: member.id });
    this.#watch(member, 'start');
  }

  #onMessage(member: PoolMember, message: FromWorker): void {
    const { events } = this.#options;
    switch (message.type) {
      case 'started':
        member.phase = 'idle';
        member.unwatch();
        return this.#rollout.onStarted(member);
      case 'ack':
        return this.#onAck(member, message);
      case 'needFull':
        return this.#rollout.onNeedFull(member);
      case 'listening':
        return this.#onListening(member, message.listeners);
      case 'listenFailed':
        return this.#onListenFailed(member, new ListenError(message.listener, message.code, message.message));
      case 'sample':
        return this.#onSample(member, message.id, message.sample);
      case 'ejected':
        return this.#spreadEjection(member, message);
      case 'portFault':
        return events.onPortFault?.(member.id, message.id, message.fault);
      case 'log':
        return events.onLog(member.id, message);
      case 'accessLog':
        return events.onAccessLog(message.lines);
      case 'drained':
        member.phase = 'drained';
        if (this.#drain !== null) this.#drain.cutConnections += message.cutConnections;
        return this.#leaveDrain(member);
      default:
        return message satisfies never;
    }
  }

  #onExit(member: PoolMember, error: Error | null, exitCode: number): void {
    if (member.lastSample !== null) this.#retired = addSamples([this.#retired, withoutGauges(member.lastSample)]);
    const servedMs = member.servingSinceMs === null ? 0 : this.#timers.nowMs() - member.servingSinceMs;
    member.reset();
    // The requests it held are gone with it: their clients must not stay over a connection limit.
    new LimitTable(this.#options.start.limitMemory, member.id).clearColumn(member.id);
    if (!this.#stopping) {
      const restartInMs = member.backOff.nextDelayMs(servedMs);
      this.#options.events.onCrash({ workerId: member.id, error, exitCode, restartInMs });
      this.#restartLater(member, restartInMs);
      this.#openWaitingListeners();
    }
    for (const wait of this.#sampleWaits.values()) leaveSample(wait, member);
    this.#leaveDrain(member);
    this.#rollout.onExit(member);
  }

  #restartLater(member: PoolMember, delayMs: number): void {
    const cancel = this.#timers.after(delayMs, () => {
      this.#restartTimers.delete(cancel);
      member.restarts++;
      this.#startThread(member);
    });
    this.#restartTimers.add(cancel);
  }

  // Tables

  #send(member: PoolMember, revision: number, bytes: SharedArrayBuffer): void {
    member.sentRevision = revision;
    member.send({ type: 'update', revision, bytes });
    this.#watch(member, `acknowledge revision ${revision}`);
  }

  #onAck(member: PoolMember, ack: Extract<FromWorker, { type: 'ack' }>): void {
    member.unwatch();
    // The next one is already on its way: its time starts now.
    if (ack.revision < member.sentRevision) this.#watch(member, `acknowledge revision ${member.sentRevision}`);
    for (const problem of ack.problems) this.#options.events.onProblem(member.id, problem);
    if (member.phase === 'idle') {
      member.phase = 'synced';
      this.#options.events.onSynced?.(member.id);
      this.#openWaitingListeners();
    }
    this.#rollout.onAck(member, ack);
  }

  #logRejected(member: PoolMember, revision: number, serving: number): void {
    const goesOn = serving === 0 ? 'there is none to go on with' : `revision ${serving} serves on`;
    const message = `routing table ${revision} is given up, workers died while they applied it; ${goesOn}`;
    this.#options.events.onLog(member.id, { level: 'error', message, fields: { revision, serving } });
  }

  /** Ends the thread when it does not react in time: an update is applied in one step, so it is stuck for good. */
  #watch(member: PoolMember, what: string): void {
    const limitMs = this.#options.responseTimeoutMs ?? defaultResponseTimeoutMs;
    member.watch(this.#timers, limitMs, () => this.#endThread(member, `did not ${what} within ${limitMs} ms`));
  }

  /** Ends a thread that cannot go on; the exit is handled as a crash. */
  #endThread(member: PoolMember, why: string): void {
    const entry = { level: 'error', message: `worker ended: ${why}`, fields: {} } as const;
    this.#options.events.onLog(member.id, entry);
    void member.terminate();
  }

  /** What one worker has learned from its requests, the others need not learn with theirs. */
  #spreadEjection(from: PoolMember, { upstream, endpoint, untilMs, reason }: Extract<FromWorker, { type: 'ejected' }>) {
    for (const member of this.#members) {
      if (member !== from) member.send({ type: 'ejected', upstream, endpoint, untilMs });
    }
    const fields = { upstream, endpoint, reason };
    this.#options.events.onLog(from.id, { level: 'warn', message: 'an endpoint is left out for a while', fields });
  }

  // Listeners

  /** Lets workers that have a table listen; until the ports are known, one worker at a time. */
  #openWaitingListeners(): void {
    for (const member of this.#members) {
      if (member.phase !== 'synced') continue;
      if (this.#opened === null && this.#members.some(({ phase }) => phase === 'opening')) return;
      member.phase = 'opening';
      member.send({ type: 'listen', listeners: this.#opened ?? this.#options.start.listeners });
    }
  }

  #onListening(member: PoolMember, listeners: readonly ListenerSettings[]): void {
    member.phase = 'serving';
    member.servingSinceMs = this.#timers.nowMs();
    this.#opened ??= listeners;
    this.#openWaitingListeners();
    if (this.#isReady || this.#members.some(({ phase }) => phase !== 'serving')) return;
    this.#isReady = true;
    this.#ready.resolve();
  }

  #onListenFailed(member: PoolMember, error: ListenError): void {
    // At the start this is for the person who started us; later another thread may succeed where this one did not.
    this.#ready.reject(error);
    this.#endThread(member, error.message);
  }

  // Samples and drain

  async #askForSamples(asked: readonly PoolMember[], timeoutMs: number): Promise<void> {
    const id = this.#nextSampleId++;
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#timers.after(timeoutMs, resolve);
    this.#sampleWaits.set(id, { from: new Set(asked), resolve });
    for (const member of asked) member.send({ type: 'sample', id });
    await promise;
    cancel();
    this.#sampleWaits.delete(id);
  }

  #onSample(member: PoolMember, id: number, sample: WorkerSample): void {
    // Kept even when it comes too late for its request: it is newer than what we have.
    member.lastSample = sample;
    const wait = this.#sampleWaits.get(id);
    if (wait !== undefined) leaveSample(wait, member);
  }

  #leaveDrain(member: PoolMember): void {
    if (this.#drain?.pending.delete(member) && this.#drain.pending.size === 0) this.#drain.resolve();
  }
}

function leaveSample(wait: SampleWait, member: PoolMember): void {
  if (wait.from.delete(member) && wait.from.size === 0) wait.resolve();
}
