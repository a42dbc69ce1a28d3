// Sends the copies of requests with undici, one connection for each that is under way to a target, and drops the answers.
//
// In: a copy and the limits that hold for it. Out: how it ended. There are never more connections than copies may be
// under way: where all are taken up by other targets, the one that has waited longest for a copy is closed.

import { lookup as systemLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import type { Client } from 'undici';
import type { MirrorLimits } from '../table/mirror-limits.ts';
import { type ConnectionOwner, CopyConnection, type CopyToSend } from './copy-connection.ts';
import { type CopyConnector, copyConnector } from './copy-socket.ts';
import { sharedLookup } from './shared-lookup.ts';
import type { TimerWheel } from './timer-wheel.ts';

/** Names at a time: the system answers one after the other, and may take a minute for each that has no server. */
const MAX_LOOKUPS = 16;

/** What `Mirrors` sends with. */
export type CopyClient = Pick<MirrorClient, 'isLoaded' | 'load' | 'send' | 'close'>;

export class MirrorClient implements ConnectionOwner {
  readonly wheel: TimerWheel;
  readonly #lookup: LookupFunction;
  #loading: Promise<void> | null = null;
  #undiciClient: typeof Client | null = null;
  #connector: CopyConnector | null = null;
  readonly #connections = new Set<CopyConnection>();
  /** Those without a copy, by origin: none has an empty list, and the one that got its first list first comes first. */
  readonly #free = new Map<string, CopyConnection[]>();
  #isClosed = false;

  /** `wheel` has the time limits. `lookup` finds the addresses of targets. */
  constructor(wheel: TimerWheel, lookup: LookupFunction = sharedLookup(systemLookup, MAX_LOOKUPS)) {
    this.wheel = wheel;
    this.#lookup = lookup;
  }

  /** Or will be soon. */
  get isLoaded(): boolean {
    return this.#loading !== null;
  }

  /** Open connections, and such as are opening. */
  get connections(): number {
    return this.#connections.size;
  }

  load(): void {
    this.#loading ??= import('undici').then((undici) => {
      this.#undiciClient = undici.Client;
    });
    // Whoever sends sees the failure.
    this.#loading.catch(() => undefined);
  }

  /** Sends a copy; `copy.onSent` is told of the end of its answer, also within the call. Never throws. */
  send(origin: string, copy: CopyToSend, limits: MirrorLimits): void {
    if (this.#isClosed) return copy.onSent('failed');
    const ClientOf = this.#undiciClient;
    if (ClientOf === null) return void this.#sendOnceLoaded(origin, copy, limits);
    this.#connectionTo(origin, limits, ClientOf).send(copy, limits.timeoutMs);
  }

  get connect(): CopyConnector {
    this.#connector ??= copyConnector(this.#lookup);
    return this.#connector;
  }

  onFree(connection: CopyConnection): void {
    const others = this.#free.get(connection.origin);
    if (others === undefined) this.#free.set(connection.origin, [connection]);
    else others.push(connection);
  }

  onGone(connection: CopyConnection): void {
    this.#connections.delete(connection);
    const { origin } = connection;
    const others = this.#free.get(origin)?.filter((other) => other !== connection) ?? [];
    if (others.length === 0) this.#free.delete(origin);
    else this.#free.set(origin, others);
  }

  /** Cuts what is under way. */
  close(): void {
    this.#isClosed = true;
    for (const connection of [...this.#connections]) connection.close();
  }

  async #sendOnceLoaded(origin: string, copy: CopyToSend, limits: MirrorLimits): Promise<void> {
    this.load();
    try {
      await this.#loading;
    } catch {
      return copy.onSent('failed');
    }
    this.send(origin, copy, limits);
  }

  #connectionTo(origin: string, { maxRequests }: MirrorLimits, ClientOf: typeof Client): CopyConnection {
    const free = this.#free.get(origin);
    const connection = free?.pop();
    if (free?.length === 0) this.#free.delete(origin);
    if (connection !== undefined) return connection;
    // Variables let clients choose the target.
    if (this.#connections.size >= maxRequests) this.#closeOneFree();
    const opened = new CopyConnection(origin, this, ClientOf);
    this.#connections.add(opened);
    return opened;
  }

  #closeOneFree(): void {
    for (const [longest] of this.#free.values()) {
      longest?.close();
      return;
    }
  }
}
