// Writes `status.loadBalancer` of our Ingresses, while this replica is the leader.
//
//   kick or interval -> find addresses -> compare with what the watch shows -> patch what differs -> wait
//
// A pass begins at the earliest a second after the one before, and after failures with growing waits: never a busy loop,
// whatever others write into the same status.

import type { ObjectKey } from '../objects/types.ts';
import { backOffMs } from '../watch/api/back-off.ts';
import { type ApiCaller, callApi } from '../watch/api/call.ts';
import type { PublishedAddress } from '../watch/api/published-addresses.ts';
import { sleep } from '../watch/api/sleep.ts';
import { ApiError, type ApiTransport } from '../watch/api/transport.ts';
import type { Clock } from '../watch/clock.ts';
import type { WatchLog } from '../watch/log.ts';
import { isSameAddresses, renderAddresses } from './addresses.ts';

export interface StatusWriterOptions {
  readonly transport: ApiTransport;
  /** Keys of the Ingresses that Sluice serves; those of other classes are not touched. */
  readonly ingresses: () => Iterable<ObjectKey>;
  /** What stands in the status now, by the watch. */
  readonly published: ReadonlyMap<ObjectKey, readonly PublishedAddress[]>;
  readonly findAddresses: (caller: ApiCaller) => Promise<readonly PublishedAddress[]>;
  /** `--status-update-interval`, at least 5 s. */
  readonly intervalMs: number;
  /** Named in managedFields. */
  readonly fieldManager: string;
  readonly clock: Clock;
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number;
  readonly log: WatchLog;
}

/** What a pass did. */
export interface StatusPass {
  readonly written: number;
  readonly failed: number;
}

const minIntervalMs = 5000;
const minPauseMs = 1000;
const parallelWrites = 10;
const conflictAttempts = 3;
/** The watch shows our own write within this time; until then it is not written again. */
const echoMs = 10_000;

export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #closing = new AbortController();
  /** Writes whose echo is awaited. */
  readonly #written = new Map<ObjectKey, { readonly text: string; readonly atMs: number }>();
  #running: Promise<void> | null = null;
  #wake: () => void = () => {};
  #isKicked = false;
  /** False once a patch was forbidden: roles of ingress-nginx allow only `update`. */
  #canPatch = true;
  #isTold = false;

  constructor(options: StatusWriterOptions) {
    this.#options = options;
  }

  /** Writes that the watch may still have to show. */
  get awaitedEchoes(): number {
    return this.#written.size;
  }

  /** Begins with a pass. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Asks for a pass soon: an Ingress came, or addresses may have changed. */
  kick(): void {
    this.#isKicked = true;
    this.#wake();
  }

  /** Stops writing; running requests end. A stopped writer does not start again. */
  async stop(): Promise<void> {
    this.#closing.abort();
    this.#wake();
    await this.#running;
  }

  /** Removes the addresses of all our Ingresses, within the time of `signal`. Call it after `stop`. */
  async clear(signal: AbortSignal): Promise<StatusPass> {
    const { transport, clock } = this.#options;
    return await this.#writeAll([], { transport, clock, signal });
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#closing.signal.aborted) {
      this.#isKicked = false;
      const isGood = await this.#pass();
      failures = isGood ? 0 : failures + 1;
      await this.#pause(failures);
    }
  }

  async #pass(): Promise<boolean> {
    const { transport, clock, findAddresses, log } = this.#options;
    const caller = { transport, clock, signal: this.#closing.signal };
    try {
      const addresses = await findAddresses(caller);
      const { written, failed } = await this.#writeAll(addresses, caller);
      if (written + failed > 0) log.debug({ written, failed }, 'wrote the status of Ingresses');
      return failed === 0;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (!this.#closing.signal.aborted) this.#tell(error);
      return false;
    }
  }

  async #pause(failures: number): Promise<void> {
    const { clock, random, intervalMs } = this.#options;
    const minMs = failures === 0 ? minPauseMs : Math.max(minPauseMs, backOffMs(failures, null, random()));
    await sleep(minMs, clock, this.#closing.signal);
    if (this.#isKicked || failures > 0 || this.#closing.signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const cancel = clock.after(Math.max(minIntervalMs, intervalMs) - minMs, resolve);
    await promise;
    cancel();
    this.#wake = () => {};
  }

  async #writeAll(addresses: readonly PublishedAddress[], caller: ApiCaller): Promise<StatusPass> {
    this.#forgetEchoes();
    const text = JSON.stringify(addresses);
    const isSame = sameAs(addresses);
    const due = [...this.#options.ingresses()].filter((key) => this.#isDue(key, isSame, text));
    let written = 0;
    let failed = 0;
    const next = due.values();
    const worker = async () => {
      for (const key of next) {
        if (caller.signal.aborted) return;
        const isWritten = await this.#writeOne(key, addresses, caller);
        if (isWritten) this.#written.set(key, { text, atMs: this.#options.clock.nowMs() });
        if (isWritten) written += 1;
        else failed += 1;
      }
    };
    await Promise.all(Array.from({ length: parallelWrites }, worker));
    return { written, failed };
  }

  #isDue(key: ObjectKey, isSame: (published: readonly PublishedAddress[]) => boolean, text: string): boolean {
    if (isSame(this.#options.published.get(key) ?? none)) return false;
    return this.#written.get(key)?.text !== text;
  }

  /** What has not come back by now was undone by somebody, or its Ingress is gone. */
  #forgetEchoes(): void {
    const nowMs = this.#options.clock.nowMs();
    for (const [key, { atMs }] of this.#written) if (nowMs - atMs >= echoMs) this.#written.delete(key);
  }

  async #writeOne(key: ObjectKey, addresses: readonly PublishedAddress[], caller: ApiCaller): Promise<boolean> {
    try {
      await this.#send(key, addresses, caller);
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // Deleted meanwhile: nothing is owed.
      if (error.failure.kind === 'missing') return true;
      if (!caller.signal.aborted) this.#tell(error);
      return false;
    }
  }

  async #send(key: ObjectKey, addresses: readonly PublishedAddress[], caller: ApiCaller): Promise<void> {
    const status = { loadBalancer: { ingress: renderAddresses(addresses) } };
    if (this.#canPatch) {
      try {
        await this.#patch(key, status, caller);
        return;
      } catch (error) {
        if (!(error instanceof ApiError) || error.failure.kind !== 'forbidden') throw error;
        this.#canPatch = false;
      }
    }
    await this.#replace(key, status, caller);
  }

  /** Names only what we own, so it cannot undo the write of another, and needs no version. */
  async #patch(key: ObjectKey, status: object, caller: ApiCaller): Promise<void> {
    await callApi(caller, {
      method: 'PATCH',
      path: `${pathOf(key)}/status`,
      query: this.#query,
      contentType: 'application/merge-patch+json',
      body: { status },
    });
  }

  /** Read, change, write; again when somebody wrote between. */
  async #replace(key: ObjectKey, status: object, caller: ApiCaller): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const ingress = await callApi(caller, { method: 'GET', path: pathOf(key) });
      const body = { ...ingress, status };
      try {
        await callApi(caller, { method: 'PUT', path: `${pathOf(key)}/status`, query: this.#query, body });
        return;
      } catch (error) {
        const isConflict = error instanceof ApiError && error.failure.kind === 'conflict';
        if (!isConflict || attempt === conflictAttempts) throw error;
      }
    }
  }

  get #query(): { readonly fieldManager: string } {
    return { fieldManager: this.#options.fieldManager };
  }

  /** Once: the same failure for 10,000 Ingresses, or for a day, is one fact. */
  #tell(error: ApiError): void {
    const { log } = this.#options;
    if (this.#isTold) log.debug({ why: error.message }, 'the status of an Ingress cannot be written');
    else log.warn({ why: error.message }, 'the status of Ingresses cannot be written; traffic is not affected');
    this.#isTold = true;
  }
}

const none: readonly PublishedAddress[] = [];

/** Compares each list once: thousands of Ingresses share the same one. */
function sameAs(addresses: readonly PublishedAddress[]): (published: readonly PublishedAddress[]) => boolean {
  const known = new Map<readonly PublishedAddress[], boolean>();
  return (published) => {
    const answer = known.get(published) ?? isSameAddresses(published, addresses);
    known.set(published, answer);
    return answer;
  };
}

function pathOf(key: ObjectKey): string {
  const [namespace, name] = key.split('/');
  return `/apis/networking.k8s.io/v1/namespaces/${namespace}/ingresses/${name}`;
}
