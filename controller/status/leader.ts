// Takes part in the election of a leader by a Lease: only the leader writes into the cluster.
//
//   follower --Lease free or run out, written first--> leader --not renewed for half the ttl, or taken--> follower
//
// Times as ingress-nginx has them: tried every ttl/4, given up after ttl/2 without success, so that a leader without a
// connection stops before another one may begin.

import { type ApiCaller, callApi } from '../watch/api/call.ts';
import { sleep } from '../watch/api/sleep.ts';
import { ApiError, type ApiTransport } from '../watch/api/transport.ts';
import type { CancelTimer, Clock } from '../watch/clock.ts';
import type { WatchLog } from '../watch/log.ts';
import { decideLease, type LeaseSighting, readLease, renderLease, sightLease } from './lease.ts';

export interface LeaderElectionOptions {
  readonly transport: ApiTransport;
  /** `--election-id` in the namespace of the pod. */
  readonly lease: { readonly namespace: string; readonly name: string };
  /** Unique among the replicas: the name of the pod. */
  readonly identity: string;
  /** `--election-ttl`; 0 and less mean 30 s. */
  readonly ttlMs: number;
  readonly onElected: () => void;
  readonly onLost: () => void;
  readonly clock: Clock;
  /** Unix time in milliseconds: only written, never compared. */
  readonly wallMs: () => number;
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number;
  readonly log: WatchLog;
}

const defaultTtlMs = 30_000;

/** `--election-ttl` as it is used. */
export function electionTtlMs(given: number): number {
  return given > 0 ? given : defaultTtlMs;
}

export class LeaderElection {
  readonly #options: LeaderElectionOptions;
  readonly #ttlMs: number;
  readonly #closing = new AbortController();
  #sighting: LeaseSighting | null = null;
  #isLeader = false;
  #cancelLoss: CancelTimer = () => {};
  #running: Promise<void> | null = null;
  #isFailing = false;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#ttlMs = electionTtlMs(options.ttlMs);
  }

  get isLeader(): boolean {
    return this.#isLeader;
  }

  /** Who held the Lease when it was last read; '' for nobody, or unknown. */
  get leader(): string {
    return this.#sighting?.lease.holder ?? '';
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Leaves the election and gives the Lease free, so that another replica need not wait for its end. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
    if (!this.#isLeader) return;
    this.#lose('left the election');
    try {
      await this.#write('');
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#options.log.debug({ why: error.message }, 'the Lease could not be given free; it will run out');
    }
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#options;
    while (!this.#closing.signal.aborted) {
      await this.#tryOnce();
      // Followers spread out, so that they do not all write at the moment a Lease runs out.
      const waitMs = (this.#ttlMs / 4) * (this.#isLeader ? 1 : 1 + random() * 0.2);
      await sleep(waitMs, clock, this.#closing.signal);
    }
  }

  async #tryOnce(): Promise<void> {
    try {
      await this.#takePart();
      this.#isFailing = false;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (this.#closing.signal.aborted) return;
      // The next attempt reads again.
      if (!this.#isFailing) this.#options.log.warn({ why: error.message }, 'the leader election gets no answer');
      this.#isFailing = error.failure.kind !== 'conflict';
    }
  }

  async #takePart(): Promise<void> {
    const { clock, identity } = this.#options;
    // A leader knows what it wrote last. If somebody else wrote since, the server refuses, and it is read again.
    if (!this.#isLeader || !(await this.#renewUnread())) await this.#read();
    else return;
    const decision = decideLease(this.#sighting, identity, clock.nowMs());
    if (decision === 'wait') {
      this.#lose('another replica holds the Lease');
      return;
    }
    await this.#write(identity);
    this.#win();
  }

  /** False when the Lease was changed by somebody else. */
  async #renewUnread(): Promise<boolean> {
    try {
      await this.#write(this.#options.identity);
    } catch (error) {
      if (error instanceof ApiError && (error.failure.kind === 'conflict' || error.failure.kind === 'missing'))
        return false;
      throw error;
    }
    this.#win();
    return true;
  }

  async #read(): Promise<void> {
    try {
      const json = await this.#call('GET', this.#path);
      this.#sighting = sightLease(this.#sighting, readLease(json), this.#options.clock.nowMs());
    } catch (error) {
      if (!(error instanceof ApiError) || error.failure.kind !== 'missing') throw error;
      this.#sighting = null;
    }
  }

  async #write(holder: string): Promise<void> {
    const { lease, clock, wallMs } = this.#options;
    const before = this.#sighting?.lease ?? null;
    const body = renderLease({ ...lease, holder, durationMs: this.#ttlMs, wallMs: wallMs(), before });
    const json = await (before === null
      ? this.#call('POST', this.#collection, body)
      : this.#call('PUT', this.#path, body));
    this.#sighting = sightLease(this.#sighting, readLease(json), clock.nowMs());
  }

  async #call(method: 'GET' | 'POST' | 'PUT', path: string, body?: unknown) {
    const { transport, clock } = this.#options;
    // The release is sent when all else is over.
    const signal = this.#closing.signal.aborted ? new AbortController().signal : this.#closing.signal;
    const caller: ApiCaller = { transport, clock, signal };
    return await callApi(caller, { method, path, body }, this.#ttlMs / 4);
  }

  get #collection(): string {
    return `/apis/coordination.k8s.io/v1/namespaces/${this.#options.lease.namespace}/leases`;
  }

  get #path(): string {
    return `${this.#collection}/${this.#options.lease.name}`;
  }

  /** Becomes or stays leader, for half the ttl from now. */
  #win(): void {
    if (this.#closing.signal.aborted) return;
    this.#cancelLoss();
    this.#cancelLoss = this.#options.clock.after(this.#ttlMs / 2, () => this.#lose('the Lease could not be renewed'));
    if (this.#isLeader) return;
    this.#isLeader = true;
    this.#options.log.debug({ identity: this.#options.identity }, 'became leader');
    this.#options.onElected();
  }

  #lose(why: string): void {
    if (!this.#isLeader) return;
    this.#cancelLoss();
    this.#isLeader = false;
    this.#options.log[this.#closing.signal.aborted ? 'debug' : 'warn']({ why }, 'not leader any more');
    this.#options.onLost();
  }
}
